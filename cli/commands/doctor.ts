import { capabilityRows } from "../../adapters/capabilities.ts";
import type { StoreOptions } from "../../engine/main.ts";
import { paint } from "../color.ts";
import { type Context, overridesOf, sourcesOf } from "../context.ts";
import { checkHome, checkNode, checkUnused } from "../doctor/disk.ts";
import type { Finding } from "../doctor/finding.ts";
import { failed } from "../doctor/finding.ts";
import { checkModels } from "../doctor/mlflow.ts";
import { checkDrivers, checkPlaces, checkStore } from "../doctor/places.ts";
import { EXIT_BY_CODE, ExitCode } from "../errors.ts";
import { loadConfiguration } from "../library.ts";
import { printable } from "../printable.ts";
import { defineVerb } from "../verb.ts";

async function* findings(context: Context): AsyncGenerator<Finding> {
  yield checkNode();
  let config: StoreOptions;
  try {
    const { loadConfig } = await loadConfiguration();
    config = await loadConfig(overridesOf(context), sourcesOf(context));
  } catch (error) {
    yield failed("configuration", error);
    return;
  }
  yield await checkPlaces(config);
  yield* await checkHome(config);
  yield* await checkUnused(config);
  yield* checkDrivers(config);
  yield await checkStore(config, context);
  yield* checkModels(config, context.io.signal);
}

const COLORS = { ok: "green", warning: "yellow", failed: "red" } as const;

async function write(finding: Finding, { output, color, json }: Context): Promise<void> {
  const { redactUrl } = await loadConfiguration();
  if (json) return output.document(JSON.parse(redactUrl(JSON.stringify(finding))));
  const { check, state, text, hint } = finding;
  const line = `${check.padEnd(13)} ${printable(redactUrl(text))}`;
  await output.line(`${paint(state.padEnd(7), COLORS[state], color)} ${line}`);
  if (hint !== undefined) await output.line(`${" ".repeat(22)}${printable(redactUrl(hint))}`);
}

/** What the store could do with its metadata elsewhere. */
async function writeCapabilities({ output, color, json }: Context): Promise<void> {
  const rows = capabilityRows();
  if (json) return output.document({ check: "capabilities", state: "ok", rows });
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  await output.line("");
  for (const [index, row] of rows.entries()) {
    const line = row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join("  ")
      .trimEnd();
    await output.line(index === 0 ? paint(line, "dim", color) : line);
  }
}

export default defineVerb({
  name: "doctor",
  about:
    "Checks Node.js, the configuration, the disks of the home and of a folder for values, the drivers that the URLs need, that the store opens, " +
    "and that the MLflow server answers and takes models. Nothing is changed. Then what stores can do, by where their metadata are. The exit code is that of the first failure; warnings do not count. With --json a document for each check.",
  examples: [["varve doctor", "what is wrong here?"]],
  async run(_, context) {
    let exitCode: number = ExitCode.ok;
    for await (const finding of findings(context)) {
      await write(finding, context);
      if (finding.state === "failed" && exitCode === ExitCode.ok)
        exitCode = EXIT_BY_CODE[finding.code ?? ""] ?? ExitCode.failure;
    }
    await writeCapabilities(context);
    return exitCode;
  },
});

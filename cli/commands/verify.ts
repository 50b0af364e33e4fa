import type { VerifyProblem, VerifyReport } from "../../engine/main.ts";
import { countText, sizeText } from "../artifact-text.ts";
import { paint } from "../color.ts";
import { type Context, withStore } from "../context.ts";
import { ExitCode } from "../errors.ts";
import { printable } from "../printable.ts";
import { defineVerb } from "../verb.ts";

function placeOf({ segment, offset }: VerifyProblem): string {
  if (segment === undefined) return "";
  return offset === undefined ? ` (segment ${segment})` : ` (segment ${segment}, offset ${offset})`;
}

async function writeReport(report: VerifyReport, { output, color }: Context): Promise<void> {
  for (const problem of report.problems) {
    const refs = problem.refs?.length ? `: ${problem.refs.join(", ")}` : "";
    const text = printable(`${problem.message}${placeOf(problem)}${refs}`);
    await output.line(`${paint(problem.kind, "red", color)}: ${text}`);
  }
  const { segments, records, blobs, bytes, problems } = report;
  const counts = [countText(segments, "segment"), countText(records, "record"), countText(blobs, "blob")];
  const verdict = report.ok
    ? paint("ok", "green", color)
    : paint(countText(problems.length, "problem"), "red", color);
  await output.line(`${verdict}: read ${counts.join(", ")}, ${sizeText(bytes)}`);
}

export default defineVerb({
  name: "verify",
  options: { full: { kind: "flag", describe: "also compute the SHA-256 of every blob" } },
  about:
    "Reads the whole log: checksums, the chain of batches, and whether the index says the same. Exits with 5 if it finds a problem.",
  examples: [["varve verify --full", "everything, value by value"]],
  async run({ options: { full } }, context) {
    const report = await withStore(context, "read", (store, call) => store.verify({ full, ...call }));
    if (context.json) await context.output.document(report);
    else await writeReport(report, context);
    return report.ok ? ExitCode.ok : ExitCode.corruption;
  },
});

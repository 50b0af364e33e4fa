import type { VerifyReport } from "../../engine/main.ts";
import { countText, sizeText } from "../artifact-text.ts";
import { paint } from "../color.ts";
import { type Context, withStore } from "../context.ts";
import { damageText, exitCodeOf } from "../damage-text.ts";
import { parseDuration } from "../duration.ts";
import { printable } from "../printable.ts";
import { defineVerb } from "../verb.ts";

async function writeReport(report: VerifyReport, { output, color }: Context): Promise<void> {
  for (const problem of report.problems)
    await output.line(`${paint(problem.kind, "red", color)}: ${damageText(problem)}`);
  const { segments, records, blobs, bytes, problems, complete } = report;
  const counts = [countText(segments, "segment"), countText(records, "record"), countText(blobs, "blob")];
  const verdict = report.ok
    ? paint(complete ? "ok" : "ok so far", "green", color)
    : paint(countText(problems.length, "problem"), "red", color);
  await output.line(`${verdict}: read ${counts.join(", ")}, ${sizeText(bytes)}`);
}

/** How far it got, and the command that goes on. */
async function writeNext(
  { progress, next }: VerifyReport,
  { full, "time-budget": budget }: { full: boolean; "time-budget": string | undefined },
  { output, home }: Context,
): Promise<void> {
  const { done, total = 0 } = progress;
  const part =
    progress.phase === "log"
      ? `${sizeText(done)} of ${sizeText(total)} of the log`
      : `the log, and ${countText(done, "row")} of the index`;
  await output.line(`time is over: done with ${part}`);
  const words = ["varve verify", ...(full ? ["--full"] : []), ...(budget ? [`--time-budget ${budget}`] : [])];
  // Quoted for a shell.
  if (home !== undefined) words.push(`--home '${home.replaceAll("'", "'\\''")}'`);
  await output.line(`go on with: ${printable([...words, `--after ${next}`].join(" "))}`);
}

export default defineVerb({
  name: "verify",
  options: {
    full: { kind: "flag", describe: "also compute the SHA-256 of every blob" },
    "time-budget": { kind: "text", describe: "stop after so long, such as 30s or 10m" },
    after: { kind: "text", describe: "go on there: what an earlier run printed" },
  },
  about:
    "Reads the whole log: checksums, the chain of batches, and whether the index says the same. Exits with 5 if it finds a problem, with 8 if all that it found is that MLflow could not be asked. " +
    "What MLflow keeps is looked at there: versions and files, with --full also their digests, and what interrupted calls have left. " +
    "With --time-budget it may stop before the end, and prints the command to go on.",
  examples: [
    ["varve verify --full", "everything, value by value"],
    ["varve verify --time-budget 30s", "a part of it now"],
  ],
  async run({ options }, context) {
    const { full, "time-budget": budget, after } = options;
    const how = {
      // What is not asked for is as in the run before.
      ...(full || after === undefined ? { full } : {}),
      ...(budget === undefined ? {} : { timeBudget: parseDuration(budget, "--time-budget") }),
      ...(after === undefined ? {} : { after }),
    };
    const report = await withStore(context, "read", (store, call) => store.verify({ ...how, ...call }));
    if (context.json) await context.output.document(report);
    else await writeReport(report, context);
    if (!context.json && report.next !== undefined) await writeNext(report, options, context);
    return exitCodeOf(report.problems);
  },
});

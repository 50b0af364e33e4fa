import type { CompactReport } from "../../engine/main.ts";
import { countText, sizeText } from "../artifact-text.ts";
import { paint } from "../color.ts";
import { type Context, withStore } from "../context.ts";
import { damageText } from "../damage-text.ts";
import { ExitCode, usageError } from "../errors.ts";
import { optional, timeFrom } from "../pairs.ts";
import { isConfirmed } from "../prompt.ts";
import { defineVerb } from "../verb.ts";

function shareFrom(text: string): number {
  const share = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (share >= 0 && share <= 1) return share;
  throw usageError("--dead-share needs a number from 0 to 1, such as 0.25");
}

/** A sequence or a time. */
function horizonFrom(text: string): number | Date {
  return /^\d+$/.test(text) ? Number(text) : timeFrom(text, "history-before");
}

function amountText({ blobs, records, freedBytes }: CompactReport): string {
  const history = records > 0 ? ` and ${countText(records, "record")} of history` : "";
  return `${countText(blobs, "blob")}${history}, ${sizeText(freedBytes)}`;
}

/** Old files that an earlier one has left are something too. */
function isNothing({ segments, waitingBytes }: CompactReport): boolean {
  return segments === 0 && waitingBytes === 0;
}

async function writeReport(report: CompactReport, leftBytes: number, context: Context): Promise<void> {
  const { output, color } = context;
  const { dryRun, segments, logBytesBefore, logBytesAfter, waitingBytes, skipped } = report;
  for (const problem of skipped)
    await output.line(`${paint("skipped", "red", color)} ${problem.kind}: ${damageText(problem)}`);
  const sizes = `${sizeText(logBytesBefore)} → ${sizeText(logBytesAfter)}`;
  const what = `${amountText(report)}, of ${countText(segments, "segment")}; log ${sizes}`;
  if (segments > 0) await output.line(dryRun ? `would free ${what}` : `freed ${what}`);
  if (dryRun && leftBytes > 0)
    await output.line(`would remove ${sizeText(leftBytes)} of old files, once nobody reads them`);
  else if (waitingBytes > 0)
    await output.line(`${sizeText(waitingBytes)} of old files are still read: compact again to remove them`);
  else if (leftBytes > 0) await output.line(`removed ${sizeText(leftBytes)} of old files`);
  if (segments === 0 && leftBytes === 0) context.note("there is nothing to free");
}

function questionFor(plan: CompactReport): string {
  if (plan.segments === 0) return `Remove ${sizeText(plan.waitingBytes)} of old files?`;
  return `Free ${amountText(plan)}? Deleted versions can't be brought back then.`;
}

interface Outcome {
  report: CompactReport;
  /** Bytes of old files that were there before. */
  leftBytes: number;
}

export default defineVerb({
  name: "compact",
  options: {
    "dead-share": {
      kind: "text",
      describe: "leave segments alone of which a smaller share is dead, such as 0.25",
    },
    "history-before": {
      kind: "text",
      describe: "also forget what was changed or deleted until then: an operation or a time",
    },
    "dry-run": { kind: "flag", describe: "tell what would be freed, and change nothing" },
    yes: { kind: "flag", describe: "don't ask; needed where there is no terminal" },
  },
  about:
    "Writes segments of the log anew without what nothing needs any more. Others may go on to use the store. Deleted versions can't be " +
    "brought back afterwards. Exits with 5 if damage kept it from segments.",
  examples: [
    ["varve compact --dry-run", "what would be freed"],
    ["varve compact --dead-share 0.25 --yes", "only where it is worth the work"],
  ],
  async run({ options: values }, context) {
    const { "dead-share": share, "history-before": horizon, "dry-run": dryRun, yes } = values;
    const how = {
      ...optional("deadShare", share === undefined ? undefined : shareFrom(share)),
      ...optional("historyBefore", horizon === undefined ? undefined : horizonFrom(horizon)),
    };
    const outcome = await withStore(
      context,
      dryRun ? "read" : "change",
      async (store, call): Promise<Outcome | undefined> => {
        const plan = await store.compact({ ...how, dryRun: true, ...call });
        const leftBytes = plan.waitingBytes;
        if (dryRun || isNothing(plan)) return { report: { ...plan, dryRun }, leftBytes };
        if (!(await isConfirmed(context, yes, questionFor(plan)))) return undefined;
        return { report: await store.compact({ ...how, ...call }), leftBytes };
      },
    );
    if (outcome === undefined) {
      context.note("nothing was done");
      return ExitCode.failure;
    }
    const { report, leftBytes } = outcome;
    if (context.json) await context.output.document(report);
    else await writeReport(report, leftBytes, context);
    return report.skipped.length > 0 ? ExitCode.corruption : undefined;
  },
});

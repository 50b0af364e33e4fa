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

function isNothing({ segments }: CompactReport): boolean {
  return segments === 0;
}

async function writeReport(report: CompactReport, { output, color }: Context): Promise<void> {
  const { dryRun, segments, logBytesBefore, logBytesAfter, waitingBytes, skipped } = report;
  for (const problem of skipped)
    await output.line(`${paint("skipped", "red", color)} ${problem.kind}: ${damageText(problem)}`);
  const sizes = `${sizeText(logBytesBefore)} → ${sizeText(logBytesAfter)}`;
  const what = `${amountText(report)}, of ${countText(segments, "segment")}; log ${sizes}`;
  await output.line(dryRun ? `would free ${what}` : `freed ${what}`);
  if (waitingBytes > 0)
    await output.line(`${sizeText(waitingBytes)} of old files go once other processes have let go of them`);
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
    const report = await withStore(
      context,
      dryRun ? "read" : "change",
      async (store, call): Promise<CompactReport | undefined> => {
        const plan = await store.compact({ ...how, dryRun: true, ...call });
        if (dryRun || isNothing(plan)) return plan;
        const question = `Free ${amountText(plan)}? Deleted versions can't be brought back then.`;
        if (!(await isConfirmed(context, yes, question))) return undefined;
        return store.compact({ ...how, ...call });
      },
    );
    if (report === undefined) {
      context.note("nothing was done");
      return ExitCode.failure;
    }
    if (context.json) await context.output.document(report);
    else if (isNothing(report)) context.note("there is nothing to free");
    else await writeReport(report, context);
    return report.skipped.length > 0 ? ExitCode.corruption : undefined;
  },
});

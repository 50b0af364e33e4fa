import type { PrunePolicy, PruneReport } from "../../engine/main.ts";
import { artifactLine, countText, sizeText } from "../artifact-text.ts";
import { type Context, withStore } from "../context.ts";
import { ExitCode } from "../errors.ts";
import { optional, sizeFrom, tagsFrom, timeFrom, wholeNumberFrom } from "../pairs.ts";
import { printable } from "../printable.ts";
import { isConfirmed } from "../prompt.ts";
import type { OptionValues } from "../verb.ts";
import { defineVerb } from "../verb.ts";

const SHOWN_MAX = 10;

const options = {
  "keep-last": { kind: "text", describe: "keep so many of the newest versions of each name" },
  "older-than": {
    kind: "text",
    describe: "only what was saved before: an age (30d, 12h, 90m, 2w) or a time",
  },
  tag: { kind: "list", describe: "only with these tags, as key=value" },
  "max-size": { kind: "text", describe: "the oldest, until the log takes at most so much, such as 10GB" },
  "keep-tag": { kind: "list", describe: "keep what has one of these tags" },
  "keep-name": { kind: "text", describe: "leave names alone that match this pattern" },
  "no-compact": { kind: "flag", describe: "only delete; the bytes go with the next `varve compact`" },
  force: { kind: "flag", describe: "also if nothing is left, or the clock looks wrong" },
  "dry-run": { kind: "flag", describe: "tell what would go and what that frees, and change nothing" },
  yes: { kind: "flag", describe: "don't ask; needed where there is no terminal" },
} as const;

/** @throws a usage error for words that can't be read; the library checks the rest */
async function policyFrom(
  pattern: string | undefined,
  values: OptionValues<typeof options>,
): Promise<PrunePolicy> {
  const { "keep-last": keepLast, "older-than": olderThan, "max-size": maxSize } = values;
  const age =
    olderThan !== undefined && /^\d{4}-/.test(olderThan) ? timeFrom(olderThan, "older-than") : olderThan;
  return {
    tags: tagsFrom(values.tag),
    keepTags: tagsFrom(values["keep-tag"], "keep-tag"),
    ...optional("name", pattern),
    ...optional("keepName", values["keep-name"]),
    ...optional("olderThan", age),
    ...optional("keepLast", keepLast === undefined ? undefined : wholeNumberFrom(keepLast, "keep-last", 0)),
    ...optional("maxSize", maxSize === undefined ? undefined : await sizeFrom(maxSize, "max-size")),
  };
}

function isNothing({ versions, deadBytes }: PruneReport, isCompacted: boolean): boolean {
  return versions.length === 0 && !(isCompacted && deadBytes > 0);
}

/** `3 versions (1.2 MiB), and 4.0 KiB of what was deleted before`. */
function amountText({ versions, plannedBytes, deadBytes }: PruneReport, isCompacted: boolean): string {
  const planned = `${countText(versions.length, "version")} (${sizeText(plannedBytes)})`;
  if (deadBytes === 0 || !isCompacted) return planned;
  return `${planned}, and ${sizeText(deadBytes)} of what was deleted before`;
}

function questionFor(plan: PruneReport, isCompacted: boolean): string {
  const { versions } = plan;
  const shown = versions.slice(0, SHOWN_MAX).map((version) => `  ${artifactLine(version)}`);
  if (versions.length > SHOWN_MAX) shown.push(`  and ${versions.length - SHOWN_MAX} more`);
  const end = isCompacted ? "They can't be brought back. " : "";
  return [...shown, `${end}Delete ${amountText(plan, isCompacted)}?`].join("\n");
}

async function writeReport(
  report: PruneReport,
  isCompacted: boolean,
  { output, note }: Context,
): Promise<void> {
  const { dryRun, versions, protected: kept, logBytes, freedBytes } = report;
  for (const version of versions)
    await output.line(
      `${dryRun ? "would delete" : "deleted"} ${artifactLine(version)}, ${sizeText(version.size)}`,
    );
  for (const ref of kept) await output.line(`${dryRun ? "would keep" : "kept"} ${printable(ref)}: protected`);
  if (isNothing(report, isCompacted)) return note("there is nothing to delete");
  const amount = amountText(report, isCompacted);
  if (dryRun && !isCompacted) await output.line(`would delete ${amount}, to be freed by a later compact`);
  else if (dryRun) await output.line(`would delete ${amount}; the log would take ${sizeText(logBytes)}`);
  else
    await output.line(
      `deleted ${amount}: freed ${sizeText(freedBytes)}, the log takes ${sizeText(logBytes)}`,
    );
}

export default defineVerb({
  name: "prune",
  optional: ["pattern"],
  options,
  about:
    "All rules that are given must hold for a version to go. What has an alias stays. With --max-size alone the newest version of the store " +
    "stays. With --dry-run it tells exactly what would go. Deleted versions can't be brought back once they are compacted away, " +
    "which is done right after, unless --no-compact.",
  examples: [
    ["varve prune --keep-last 3 --dry-run", "what would go, and what that frees"],
    ["varve prune 'runs/**' --older-than 30d --keep-tag stage=prod", "old ones of some names"],
    ["varve prune --max-size 10GB --yes", "the oldest, until the log takes at most so much"],
  ],
  async run({ given: { pattern }, options: values }, context) {
    const policy = await policyFrom(pattern, values);
    const { "dry-run": dryRun, yes, force, "no-compact": noCompact } = values;
    const isCompacted = !noCompact;
    let isRefused = false;
    const confirm = async (plan: PruneReport): Promise<boolean> => {
      if (isNothing(plan, isCompacted)) return false;
      isRefused = !(await isConfirmed(context, yes, questionFor(plan, isCompacted)));
      return !isRefused;
    };
    const report = await withStore(context, dryRun ? "read" : "change", (store, call) =>
      store.prune(policy, { dryRun, force, compact: isCompacted, confirm, ...call }),
    );
    if (isRefused) {
      context.note("nothing was deleted");
      return ExitCode.failure;
    }
    // What there is nothing to do for was not confirmed, and is told as a plan.
    if (context.json) await context.output.document({ ...report, dryRun });
    else await writeReport({ ...report, dryRun }, isCompacted, context);
    return undefined;
  },
});

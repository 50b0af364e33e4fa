import { resolve } from "node:path";
import type { BackupReport } from "../../engine/main.ts";
import { countText, sizeText } from "../artifact-text.ts";
import { paint } from "../color.ts";
import { type Context, withStore } from "../context.ts";
import { damageText } from "../damage-text.ts";
import { ExitCode, usageError } from "../errors.ts";
import { printable } from "../printable.ts";
import { defineVerb } from "../verb.ts";

/** `backed up to /mnt/backup: 12.0 MiB in 3 segments, up to operation 812`, and what was done for it. */
function linesOf(report: BackupReport): string[] {
  const { folder, dryRun, sequence, segments, unchanged, copiedBytes, linkedBytes, bytes } = report;
  const does = dryRun ? "would back up to" : "backed up to";
  const parts = [
    `${sizeText(copiedBytes)} ${dryRun ? "to copy" : "copied"}`,
    ...(linkedBytes > 0 ? [`${sizeText(linkedBytes)} shared with the store by links`] : []),
    ...(unchanged > 0 ? [`${countText(unchanged, "segment")} there already`] : []),
  ];
  return [
    `${does} ${printable(folder)}: ${sizeText(bytes)} in ${countText(segments, "segment")}, up to operation ${sequence}`,
    parts.join(", "),
  ];
}

async function writeReport(report: BackupReport, isVerified: boolean, context: Context): Promise<void> {
  const { output, color } = context;
  for (const line of linesOf(report)) await output.line(line);
  const { problems } = report;
  for (const problem of problems)
    await output.line(`${paint(problem.kind, "red", color)}: ${damageText(problem)}`);
  if (problems.length > 0)
    await output.line(paint(`${countText(problems.length, "problem")} in the backup`, "red", color));
  else if (isVerified) await output.line(`${paint("ok", "green", color)}: read all of it`);
}

export default defineVerb({
  name: "backup",
  required: ["folder"],
  options: {
    copy: {
      kind: "flag",
      describe: "copy every file, where they could be shared with the store by links too",
    },
    verify: { kind: "flag", describe: "also read the backup, and compare its checksums" },
    "dry-run": { kind: "flag", describe: "tell what would be copied, and change nothing" },
  },
  about:
    "Copies the store as it is now, or brings an earlier backup there up to it: what it has stays. Others may go on to use the store. " +
    "The folder is a store itself: read it with --home, copy it back, or give it to `varve repair --from`. " +
    "On the same disk files are shared by links, unless --copy says not to. Exits with 5 if --verify finds damage.",
  examples: [
    ["varve backup /mnt/backup/store --verify", "to another disk; again tomorrow, it copies what is new"],
    ["varve list --home /mnt/backup/store", "look into it"],
    ["varve repair --from /mnt/backup/store", "take from it what was damaged"],
  ],
  async run({ given, options: { copy, verify, "dry-run": dryRun } }, context) {
    if (given.folder === "") throw usageError("no folder was given", "name the folder for the backup");
    const folder = resolve(context.io.cwd, given.folder);
    const report = await withStore(context, "read", (store, call) =>
      store.backup(folder, { copy, verify, dryRun, ...call }),
    );
    if (context.json) await context.output.document(report);
    else await writeReport(report, verify && !dryRun, context);
    return report.problems.length > 0 ? ExitCode.corruption : ExitCode.ok;
  },
});

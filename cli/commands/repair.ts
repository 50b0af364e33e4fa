import { resolve } from "node:path";
import type { RepairReport } from "../../engine/main.ts";
import { countText } from "../artifact-text.ts";
import { paint } from "../color.ts";
import { type Context, withStore } from "../context.ts";
import { damageText, exitCodeOf } from "../damage-text.ts";
import { printable } from "../printable.ts";
import { defineVerb } from "../verb.ts";

function verdictOf({ ok, dryRun, repaired, notRepaired, indexRebuilt }: RepairReport): string {
  const done = `${countText(repaired.length, "problem")} ${dryRun ? "would be repaired" : "repaired"}`;
  if (!ok) return `${countText(notRepaired.length, "problem")} ${dryRun ? "would be left" : "left"}, ${done}`;
  return repaired.length > 0 || indexRebuilt ? `ok: ${done}` : "ok: nothing to repair";
}

async function writeReport(report: RepairReport, { output, color }: Context): Promise<void> {
  const { ok, dryRun, repaired, notRepaired, quarantined, indexRebuilt } = report;
  for (const problem of repaired)
    await output.line(
      `${paint(dryRun ? "would repair" : "repaired", "green", color)} ${problem.kind}: ${damageText(problem)}`,
    );
  for (const problem of notRepaired)
    await output.line(
      `${paint(dryRun ? "would leave" : "left", "red", color)} ${problem.kind}: ${damageText(problem)}; ${problem.reason}`,
    );
  for (const file of quarantined) await output.line(`kept the damaged file as ${printable(file)}`);
  if (indexRebuilt) await output.line(`the index ${dryRun ? "would be" : "was"} made again`);
  await output.line(paint(verdictOf(report), ok ? "green" : "red", color));
}

export default defineVerb({
  name: "repair",
  options: {
    from: { kind: "list", describe: "folders of backups and of other stores to take sound copies from" },
    "dry-run": { kind: "flag", describe: "tell what would be repaired, and change nothing" },
  },
  about:
    "Takes what is damaged from sound copies: of segments from backups of this very store, of values also from the store's own log and " +
    "from other stores. A model that was changed or removed in MLflow is put there again, and what interrupted calls have left there is removed. " +
    "Of the store nothing is deleted: damaged files go to the folder quarantine of the store, so it does not ask. " +
    "Exits with 5 if damage is left, with 8 if all that is left is that MLflow could not be asked.",
  examples: [
    ["varve repair --from /backup/store --dry-run", "look first"],
    ["varve repair --from /backup/store /old/backup", "from several copies, also where each is damaged"],
  ],
  async run({ options: { from, "dry-run": dryRun } }, context) {
    const folders = from.map((folder) => (folder === "" ? "" : resolve(context.io.cwd, folder)));
    const report = await withStore(context, "change", (store, call) =>
      store.repair({ from: folders, dryRun, ...call }),
    );
    if (context.json) await context.output.document(report);
    else await writeReport(report, context);
    return exitCodeOf(report.notRepaired);
  },
});

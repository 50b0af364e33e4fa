import type { NameStats, StoreStats } from "../../engine/main.ts";
import { countText, sizeText } from "../artifact-text.ts";
import { paint } from "../color.ts";
import { type Context, withStore } from "../context.ts";
import { printable } from "../printable.ts";
import { defineVerb } from "../verb.ts";

function rowsOf(stats: StoreStats): [string, string][] {
  return [
    ["names", String(stats.names)],
    ["versions", String(stats.versions)],
    ["deleted versions", deletedText(stats.deletedVersions)],
    ["aliases", String(stats.aliases)],
    ["values", sizeText(stats.valueBytes)],
    ["blobs", `${stats.blobs}, ${sizeText(stats.blobBytes)}`],
    ["needed blobs", sizeText(stats.liveBlobBytes)],
    ["dead blobs", deadText(stats.deadBlobBytes)],
    ["saved by sharing", sizeText(stats.deduplicatedBytes)],
    ["log", `${sizeText(stats.logBytes)} in ${countText(stats.segments, "segment")}`],
    ["beside blobs", sizeText(stats.logOverheadBytes)],
    ["index", sizeText(stats.indexBytes)],
    ["last operation", String(stats.sequence)],
  ];
}

function deletedText(count: number): string {
  return count === 0 ? "0" : `${count} that can be brought back`;
}

function deadText(bytes: number): string {
  return bytes === 0 ? "none" : `${sizeText(bytes)}, which \`varve compact\` frees`;
}

/** The largest first. */
async function writeNames(names: readonly NameStats[], { output, color }: Context): Promise<void> {
  const header = ["to be freed", "values", "versions", "deleted", "name"];
  const rows = [...names]
    .sort((a, b) => b.ownBytes - a.ownBytes || b.valueBytes - a.valueBytes)
    .map(({ name, versions, deletedVersions, valueBytes, ownBytes }) => [
      ...[sizeText(ownBytes), sizeText(valueBytes), String(versions), String(deletedVersions)],
      printable(name),
    ]);
  const widths = header.map((title, i) =>
    rows.reduce((max, row) => Math.max(max, row[i]!.length), title.length),
  );
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => (i === cells.length - 1 ? cell : cell.padStart(widths[i]!))).join("  ");
  await output.line(paint(line(header), "dim", color));
  for (const row of rows) await output.line(line(row));
}

export default defineVerb({
  name: "stats",
  options: {
    "by-name": { kind: "flag", describe: "each name, with what deleting all its versions would free" },
  },
  about: "With --json all sizes are in bytes.",
  examples: [
    ["varve stats --by-name", "what takes the space"],
    ["varve stats --json", "for a script"],
  ],
  async run({ options: { "by-name": byName } }, context) {
    const stats = await withStore(context, "read", (store, call) => store.stats({ byName, ...call }));
    if (context.json) {
      await context.output.document(stats);
    } else if (stats.byName) {
      await writeNames(stats.byName, context);
    } else {
      for (const [label, text] of rowsOf(stats))
        await context.output.line(`${paint(label.padEnd(16), "dim", context.color)} ${text}`);
    }
    return undefined;
  },
});

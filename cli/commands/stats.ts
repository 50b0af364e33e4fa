import type { StoreStats } from "../../engine/main.ts";
import { countText, sizeText } from "../artifact-text.ts";
import { paint } from "../color.ts";
import { withStore } from "../context.ts";
import { defineVerb } from "../verb.ts";

function rowsOf(stats: StoreStats): [string, string][] {
  return [
    ["names", String(stats.names)],
    ["versions", String(stats.versions)],
    ["deleted versions", String(stats.deletedVersions)],
    ["aliases", String(stats.aliases)],
    ["values", sizeText(stats.valueBytes)],
    ["blobs", `${stats.blobs}, ${sizeText(stats.blobBytes)}`],
    ["needed blobs", sizeText(stats.liveBlobBytes)],
    ["saved by sharing", sizeText(stats.deduplicatedBytes)],
    ["log", `${sizeText(stats.logBytes)} in ${countText(stats.segments, "segment")}`],
    ["index", sizeText(stats.indexBytes)],
    ["last operation", String(stats.sequence)],
  ];
}

export default defineVerb({
  name: "stats",
  about: "With --json all sizes are in bytes.",
  examples: [["varve stats --json", "for a script"]],
  async run(_, context) {
    const stats = await withStore(context, "read", (store, call) => store.stats(call));
    if (context.json) {
      await context.output.document(stats);
      return undefined;
    }
    for (const [label, text] of rowsOf(stats)) {
      await context.output.line(`${paint(label.padEnd(16), "dim", context.color)} ${text}`);
    }
    return undefined;
  },
});

import type { LineageGraph } from "../../engine/main.ts";
import { type Context, withStore } from "../context.ts";
import { usageError } from "../errors.ts";
import { dotLines, mermaidLines } from "../lineage/graph-text.ts";
import { type Direction, treeLines } from "../lineage/tree.ts";
import { choiceFrom, optional, wholeNumberFrom } from "../pairs.ts";
import { defineVerb } from "../verb.ts";

const FORMATS = ["tree", "dot", "mermaid", "json"] as const;
type Format = (typeof FORMATS)[number];

/** `--json` stands for the format of that name. */
function formatFrom(text: string | undefined, { json }: Context): Format {
  const format = choiceFrom(text, "format", FORMATS);
  if (json && format !== undefined && format !== "json") {
    throw usageError(`--json and --format ${format} exclude each other`);
  }
  return json ? "json" : (format ?? "tree");
}

function linesOf(graph: LineageGraph, format: Exclude<Format, "json">, directions: Direction[]) {
  if (format === "tree") return treeLines(graph, directions);
  return format === "dot" ? dotLines(graph) : mermaidLines(graph);
}

export default defineVerb({
  name: "lineage",
  required: ["ref"],
  options: {
    up: { kind: "flag", describe: "what it was made from" },
    down: { kind: "flag", describe: "what was made from it" },
    depth: { kind: "text", describe: "follow at most so many levels; default: all" },
    format: { kind: "text", describe: `one of ${FORMATS.join(", ")}; default tree` },
  },
  about: "Without --up and --down both. Deleted versions stay part of a lineage, and are marked.",
  examples: [
    ["varve lineage iris/report", "both directions, as a tree"],
    ["varve lineage iris/data:0 --down --depth 1", "what was made from it directly"],
    ["varve lineage iris/report --up --format dot | dot -Tsvg", "a picture, by Graphviz"],
  ],
  async run({ given: { ref }, options: { up, down, depth: levels, format: word } }, context) {
    const format = formatFrom(word, context);
    const depth = levels === undefined ? undefined : wholeNumberFrom(levels, "depth", 1);
    const directions: Direction[] = up === down ? ["up", "down"] : [up ? "up" : "down"];
    const direction = directions.length > 1 ? "both" : directions[0]!;
    const graph = await withStore(context, "read", (store, call) =>
      store.lineage(ref, { direction, ...optional("depth", depth), ...call }),
    );
    if (format === "json") await context.output.document(graph);
    else for (const line of linesOf(graph, format, directions)) await context.output.line(line);
    if (!graph.complete) context.note(`only the first ${graph.nodes.length} artifacts: see --depth`);
    return undefined;
  },
});

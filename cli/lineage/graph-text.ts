/** A lineage in the languages of Graphviz and Mermaid. Edges go from what something was made from to what was made from it. */

import type { LineageGraph } from "../../engine/main.ts";
import { printable } from "../printable.ts";

/** Numbers instead of refs: no ref has to be escaped twice, or may look like a keyword. */
function idsOf({ nodes }: LineageGraph): Map<string, string> {
  return new Map(nodes.map(({ ref }, index) => [ref, `n${index}`]));
}

function* edgesOf(graph: LineageGraph, ids: Map<string, string>, arrow: string): Generator<string> {
  for (const { from, to } of graph.edges) yield `  ${ids.get(from)} ${arrow} ${ids.get(to)}`;
}

export function* dotLines(graph: LineageGraph): Generator<string> {
  const ids = idsOf(graph);
  yield "digraph lineage {";
  yield "  rankdir=LR";
  yield '  node [shape=box, fontname="sans-serif"]';
  for (const [index, { ref, deleted }] of graph.nodes.entries()) {
    const text = dotText(ref) + (deleted ? "\\n(deleted)" : "");
    const looks = (deleted ? ", style=dashed" : "") + (index === 0 ? ", penwidth=2" : "");
    yield `  ${ids.get(ref)} [label="${text}"${looks}]`;
  }
  yield* edgesOf(graph, ids, "->");
  yield "}";
}

/** In labels Graphviz reads `\N` and the like, and the entities of HTML. */
function dotText(text: string): string {
  return printable(text).replace(/["\\]/g, "\\$&").replaceAll("&", "&amp;");
}

export function* mermaidLines(graph: LineageGraph): Generator<string> {
  const ids = idsOf(graph);
  yield "flowchart LR";
  for (const { ref, deleted } of graph.nodes) {
    yield `  ${ids.get(ref)}["${mermaidText(ref)}${deleted ? "<br>(deleted)" : ""}"]`;
  }
  yield* edgesOf(graph, ids, "-->");
  yield `  style ${ids.get(graph.nodes[0]!.ref)} stroke-width:3px`;
  const deleted = graph.nodes.filter((node) => node.deleted).map(({ ref }) => ids.get(ref));
  if (deleted.length === 0) return;
  yield "  classDef deleted stroke-dasharray:5 5";
  yield `  class ${deleted.join(",")} deleted`;
}

/** Whatever Mermaid, Markdown or HTML could take for its own is written by its number. */
function mermaidText(text: string): string {
  return printable(text).replace(/[^\p{L}\p{M}\p{N}/:._-]/gu, (character) => `#${character.codePointAt(0)};`);
}

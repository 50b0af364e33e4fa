/** A lineage as an indented tree, for people. */

import type { LineageGraph, LineageNode } from "../../engine/main.ts";
import { printable } from "../printable.ts";

/** Deeper levels are left out: their lines would be mostly indentation. */
const LEVELS_MAX = 100;

export type Direction = "up" | "down";

const HEADINGS = { up: "made from", down: "used in" } as const;

/** What is still to be written: a node, and what stands before it. */
interface Place {
  readonly node: LineageNode;
  readonly prefix: string;
  readonly isLast: boolean;
  readonly level: number;
}

/** The lines of the tree: the artifact, and below it one tree a direction. */
export function* treeLines(graph: LineageGraph, directions: readonly Direction[]): Generator<string> {
  const [root] = graph.nodes;
  yield label(root!);
  for (const direction of directions) {
    const neighbours = neighboursOf(graph, direction);
    const isEmpty = !neighbours.has(root!.ref);
    yield `  ${HEADINGS[direction]}${isEmpty ? " nothing" : ""}`;
    yield* linesBelow(root!, neighbours);
  }
}

/** Nodes next to each one that has any, in the graph's order. */
function neighboursOf({ nodes, edges }: LineageGraph, direction: Direction): Map<string, LineageNode[]> {
  const byRef = new Map(nodes.map((node) => [node.ref, node]));
  const neighbours = new Map<string, LineageNode[]>();
  for (const edge of edges) {
    const [of, to] = direction === "up" ? [edge.to, edge.from] : [edge.from, edge.to];
    const known = neighbours.get(of);
    if (known) known.push(byRef.get(to)!);
    else neighbours.set(of, [byRef.get(to)!]);
  }
  return neighbours;
}

/** Not recursive, as a lineage may be deeper than the stack. What several were made from is told at its first place nearest to the root. */
function* linesBelow(root: LineageNode, neighbours: Map<string, LineageNode[]>): Generator<string> {
  const told = new Set<string>();
  const waiting = placesBelow({ node: root, prefix: "", isLast: true, level: 0 }, neighbours);
  for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) {
    const { node, prefix, isLast, level } = place;
    const branch = `  ${prefix}${isLast ? "└─" : "├─"} ${label(node)}`;
    const isTold = told.has(node.ref) || Math.abs(node.level) < level;
    const goesOn = neighbours.has(node.ref);
    if (!goesOn) yield branch;
    else if (isTold) yield `${branch} (told elsewhere)`;
    else if (level >= LEVELS_MAX) yield `${branch} (more: see --format json)`;
    else {
      told.add(node.ref);
      yield branch;
      waiting.push(...placesBelow(place, neighbours));
    }
  }
}

/** The last one first, since the last of those that wait is taken next. */
function placesBelow(
  { node, prefix, isLast, level }: Place,
  neighbours: Map<string, LineageNode[]>,
): Place[] {
  const inner = level === 0 ? "" : `${prefix}${isLast ? "   " : "│  "}`;
  const below = neighbours.get(node.ref) ?? [];
  return below
    .map((each, index) => {
      return { node: each, prefix: inner, isLast: index === below.length - 1, level: level + 1 };
    })
    .reverse();
}

function label({ ref, deleted }: LineageNode): string {
  return printable(ref) + (deleted ? " (deleted)" : "");
}

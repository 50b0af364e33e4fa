import type { LineageEdge, LineageGraph, LineageNode, LineageOptions } from "../api.ts";
import type { VersionName } from "../artifact-key.ts";
import { throwIfAborted, VarveError } from "../errors.ts";
import { refOf } from "../ref.ts";

/** A graph is held in memory, so it ends somewhere, and says so. */
const NODES_MAX = 100_000;
const NODES_PER_TURN = 256;

export type Direction = "up" | "down";

/** Where a walk along the lineage asks. */
export interface LineageSource {
  /** What there is to say of a version. */
  look(of: VersionName): Promise<{ digest?: string; deleted: boolean }>;
  /** What each version of a level was made from, or what was made from it, one after another in the order of the level. */
  neighbours(direction: Direction, level: readonly VersionName[]): AsyncIterable<Neighbour>;
}

export interface Neighbour {
  /** Of the level. */
  of: VersionName;
  to: VersionName;
}

/** What a version was made from (up), and what was made from it (down), level by level. */
export async function walkLineage(
  source: LineageSource,
  root: VersionName,
  options: LineageOptions,
): Promise<LineageGraph> {
  const { direction, depth } = takeOptions(options);
  const walk = new LineageWalk(source, options.signal);
  await walk.begin(root);
  if (direction !== "down") await walk.follow("up", root, depth);
  if (direction !== "up") await walk.follow("down", root, depth);
  return walk.graph();
}

function takeOptions({ direction = "both", depth = Number.POSITIVE_INFINITY }: LineageOptions) {
  if (!["up", "down", "both"].includes(direction)) {
    throw new VarveError("INVALID_ARGUMENT", `not a direction: ${JSON.stringify(direction)}`, {
      hint: "up (what it was made from), down (what was made from it) or both",
    });
  }
  if (depth !== Number.POSITIVE_INFINITY && !(Number.isInteger(depth) && depth >= 0)) {
    throw new VarveError("INVALID_ARGUMENT", `not a depth: ${String(depth)}`, {
      hint: "a whole number of levels; without it all are followed",
    });
  }
  return { direction, depth };
}

class LineageWalk {
  readonly #source: LineageSource;
  readonly #signal: AbortSignal | undefined;
  readonly #nodes = new Map<string, LineageNode>();
  readonly #edges = new Map<string, LineageEdge>();
  #complete = true;
  #steps = 0;

  constructor(source: LineageSource, signal: AbortSignal | undefined) {
    this.#source = source;
    this.#signal = signal;
  }

  graph(): LineageGraph {
    return { nodes: [...this.#nodes.values()], edges: [...this.#edges.values()], complete: this.#complete };
  }

  begin(root: VersionName): Promise<boolean> {
    return this.#addNode(root, 0);
  }

  async follow(direction: Direction, root: VersionName, depthMax: number): Promise<void> {
    const seen = new Set([refOf(root)]);
    let level: VersionName[] = [root];
    for (let depth = 1; depth <= depthMax && level.length > 0; depth++) {
      const next: VersionName[] = [];
      let of: VersionName | undefined;
      for await (const step of this.#source.neighbours(direction, level)) {
        // Those of one version are looked at to the end: edges between what is there already are still told.
        if (!this.#complete && step.of !== of) return;
        of = step.of;
        if (++this.#steps % NODES_PER_TURN === 0) await this.#turn();
        if (await this.#addStep(direction, depth, step, seen)) next.push(step.to);
      }
      if (!this.#complete) return;
      level = next;
    }
  }

  /** Whether the neighbour was not met before. */
  async #addStep(
    direction: Direction,
    depth: number,
    { of, to }: Neighbour,
    seen: Set<string>,
  ): Promise<boolean> {
    if (!(await this.#addNode(to, direction === "up" ? -depth : depth))) return false;
    this.#addEdge(direction === "up" ? { from: to, to: of } : { from: of, to });
    if (seen.has(refOf(to))) return false;
    seen.add(refOf(to));
    return true;
  }

  /** False when there is no room for another node. */
  async #addNode({ name, version }: VersionName, level: number): Promise<boolean> {
    const ref = refOf({ name, version });
    if (this.#nodes.has(ref)) return true;
    if (this.#nodes.size >= NODES_MAX) {
      this.#complete = false;
      return false;
    }
    const { digest, deleted } = await this.#source.look({ name, version });
    this.#nodes.set(ref, { ref, name, version, level, deleted, ...(digest !== undefined && { digest }) });
    return true;
  }

  #addEdge({ from, to }: { from: VersionName; to: VersionName }): void {
    const edge = { from: refOf(from), to: refOf(to) };
    this.#edges.set(`${edge.from} ${edge.to}`, edge);
  }

  async #turn(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    throwIfAborted(this.#signal);
  }
}

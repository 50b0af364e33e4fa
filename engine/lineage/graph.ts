import type { LineageEdge, LineageGraph, LineageNode, LineageOptions } from "../api.ts";
import { digestOf } from "../artifact.ts";
import type { VersionName } from "../artifact-key.ts";
import { versionKey } from "../artifact-key.ts";
import { isChunked, isDeleted } from "../artifact-record.ts";
import type { EngineCore } from "../engine.ts";
import { throwIfAborted, VarveError } from "../errors.ts";
import { parseRef } from "../ref.ts";
import type { EngineSnapshot } from "../snapshot.ts";
import type { VersionRow, Versions } from "../versions.ts";
import { consumersOf } from "./edges.ts";

/** A graph is held in memory, so it ends somewhere, and says so. */
const NODES_MAX = 100_000;
const NODES_PER_TURN = 256;

type Direction = "up" | "down";

/**
 * What a version was made from (up), and what was made from it (down), level by level. Up the versions' contents are
 * followed, down the rows of edges, so both cost what they find.
 */
export async function lineageOf(
  core: EngineCore,
  versions: Versions,
  root: VersionRow,
  options: LineageOptions,
): Promise<LineageGraph> {
  const { direction, depth } = takeOptions(options);
  const snapshot = core.snapshot();
  try {
    const walk = new LineageWalk(core, versions, snapshot, options.signal);
    await walk.begin(root);
    if (direction !== "down") await walk.follow("up", root, depth);
    if (direction !== "up") await walk.follow("down", root, depth);
    return walk.graph();
  } finally {
    snapshot.close();
  }
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
  readonly #core: EngineCore;
  readonly #versions: Versions;
  readonly #snapshot: EngineSnapshot;
  readonly #signal: AbortSignal | undefined;
  readonly #nodes = new Map<string, LineageNode>();
  readonly #edges = new Map<string, LineageEdge>();
  #complete = true;
  #steps = 0;

  constructor(
    core: EngineCore,
    versions: Versions,
    snapshot: EngineSnapshot,
    signal: AbortSignal | undefined,
  ) {
    this.#core = core;
    this.#versions = versions;
    this.#snapshot = snapshot;
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
      for (const from of level) {
        if (!this.#complete) return;
        for (const to of await this.#neighbours(direction, from)) {
          if (++this.#steps % NODES_PER_TURN === 0) await this.#turn();
          if (!(await this.#addNode(to, direction === "up" ? -depth : depth))) continue;
          this.#addEdge(direction === "up" ? { from: to, to: from } : { from, to });
          if (seen.has(refOf(to))) continue;
          seen.add(refOf(to));
          next.push(to);
        }
      }
      level = next;
    }
  }

  async #neighbours(direction: Direction, of: VersionName): Promise<Iterable<VersionName>> {
    if (direction === "down") return consumersOf(this.#snapshot, of);
    const key = versionKey(of.name, of.version);
    const row = this.#snapshot.row(key);
    if (!row) return [];
    const { inputs = [] } = await this.#versions.contentOf({ ...of, key, row });
    return inputs.map((input) => parseRef(input) as unknown as VersionName);
  }

  /** False when there is no room for another node. */
  async #addNode({ name, version }: VersionName, level: number): Promise<boolean> {
    const ref = refOf({ name, version });
    if (this.#nodes.has(ref)) return true;
    if (this.#nodes.size >= NODES_MAX) {
      this.#complete = false;
      return false;
    }
    const key = versionKey(name, version);
    const row = this.#snapshot.row(key);
    await (row && this.#core.settle(row));
    const content =
      row && isChunked(row) ? await this.#versions.contentOf({ name, version, key, row }) : undefined;
    const digest = row && digestOf(row, content);
    const deleted = row === undefined || isDeleted(row);
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

function refOf({ name, version }: VersionName): string {
  return `${name}:${version}`;
}

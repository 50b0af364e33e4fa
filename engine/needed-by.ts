import { namesRange, nodeInKey, nodesRange } from "./artifact-key.ts";
import type { EngineCore } from "./engine.ts";
import type { Row } from "./index/rows.ts";
import { Pace } from "./maintenance/pace.ts";
import type { CoreProblem } from "./maintenance/verify/report.ts";
import type { EngineSnapshot } from "./snapshot.ts";

/**
 * What is wrong with parts of values, told once more for each version that needs them: who reads a report knows versions,
 * and nothing of nodes. Costs a pass over all nodes for each level of lists, and one over all versions.
 */
export async function toldOfVersions(
  core: EngineCore,
  problems: CoreProblem[],
  signal?: AbortSignal,
): Promise<CoreProblem[]> {
  const met = new Map<string, Set<CoreProblem>>();
  for (const problem of problems) {
    const node = problem.key && nodeInKey(problem.key);
    if (node) met.set(nameOf(node), new Set([...(met.get(nameOf(node)) ?? []), problem]));
  }
  if (met.size === 0) return problems;
  const snapshot = await core.reading(() => core.snapshot());
  try {
    return [...problems, ...(await new NeededBy(snapshot, met, signal).versions())];
  } finally {
    snapshot.close();
  }
}

const nameOf = (digest: Buffer): string => digest.toString("latin1");

class NeededBy {
  readonly #snapshot: EngineSnapshot;
  /** By node: the problems of what is below it. */
  readonly #met: Map<string, Set<CoreProblem>>;
  readonly #pace: Pace;

  constructor(snapshot: EngineSnapshot, met: Map<string, Set<CoreProblem>>, signal: AbortSignal | undefined) {
    this.#snapshot = snapshot;
    this.#met = met;
    this.#pace = new Pace({ signal });
  }

  async versions(): Promise<CoreProblem[]> {
    while (await this.#goUp());
    const told: CoreProblem[] = [];
    await this.#eachRow(namesRange(""), (key, row) => {
      for (const problem of this.#problemsBelow(row)) told.push({ ...problem, key });
    });
    return told;
  }

  /** One level: whether anything was met that was not before. */
  async #goUp(): Promise<boolean> {
    let isNew = false;
    await this.#eachRow(nodesRange(), (key, row) => {
      const below = this.#problemsBelow(row);
      if (below.size === 0) return;
      const name = nameOf(nodeInKey(key)!);
      const known = this.#met.get(name) ?? new Set();
      const count = known.size;
      for (const problem of below) known.add(problem);
      this.#met.set(name, known);
      if (known.size > count) isNew = true;
    });
    return isNew;
  }

  #problemsBelow({ references }: Row): Set<CoreProblem> {
    return new Set(references.flatMap((digest) => [...(this.#met.get(nameOf(digest)) ?? [])]));
  }

  async #eachRow(
    range: { start: Buffer; end: Buffer },
    visit: (key: Buffer, row: Row) => void,
  ): Promise<void> {
    for (const page of this.#snapshot.pages(range)) {
      for (const { key, row } of page) visit(key, row);
      if (this.#pace.isDue()) await this.#pace.turn();
    }
  }
}

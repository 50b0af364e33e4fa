import type { LineageGraph, LineageOptions } from "../api.ts";
import { digestOf } from "../artifact.ts";
import type { VersionName } from "../artifact-key.ts";
import { versionKey } from "../artifact-key.ts";
import { isDeleted, isToldByContent } from "../artifact-record.ts";
import type { EngineCore } from "../engine.ts";
import { parseRef } from "../ref.ts";
import type { EngineSnapshot } from "../snapshot.ts";
import type { VersionRow, Versions } from "../versions.ts";
import { consumersOf } from "./edges.ts";
import type { Direction, LineageSource, Neighbour } from "./walk.ts";
import { walkLineage } from "./walk.ts";

/** Up the versions' contents are followed, down the rows of edges, so both cost what they find. */
export async function lineageOf(
  core: EngineCore,
  versions: Versions,
  root: VersionRow,
  options: LineageOptions,
): Promise<LineageGraph> {
  const snapshot = core.snapshot();
  try {
    return await walkLineage(new RowLineage(core, versions, snapshot), root, options);
  } finally {
    snapshot.close();
  }
}

/** The lineage as it was in one state of the store. */
class RowLineage implements LineageSource {
  readonly #core: EngineCore;
  readonly #versions: Versions;
  readonly #snapshot: EngineSnapshot;

  constructor(core: EngineCore, versions: Versions, snapshot: EngineSnapshot) {
    this.#core = core;
    this.#versions = versions;
    this.#snapshot = snapshot;
  }

  async look({ name, version }: VersionName): Promise<{ digest?: string; deleted: boolean }> {
    const key = versionKey(name, version);
    const row = this.#snapshot.row(key);
    if (!row) return { deleted: true };
    await this.#core.settle(row);
    const content = isToldByContent(row)
      ? await this.#versions.contentOf({ name, version, key, row })
      : undefined;
    return { digest: digestOf(row, content), deleted: isDeleted(row) };
  }

  async *neighbours(direction: Direction, level: readonly VersionName[]): AsyncGenerator<Neighbour> {
    for (const of of level) for (const to of await this.#neighbours(direction, of)) yield { of, to };
  }

  async #neighbours(direction: Direction, of: VersionName): Promise<Iterable<VersionName>> {
    if (direction === "down") return consumersOf(this.#snapshot, of);
    const key = versionKey(of.name, of.version);
    const row = this.#snapshot.row(key);
    if (!row) return [];
    const { inputs = [] } = await this.#versions.contentOf({ ...of, key, row });
    return inputs.map((input) => parseRef(input) as unknown as VersionName);
  }
}

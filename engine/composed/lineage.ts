import type { VersionName } from "../artifact-key.ts";
import { digestText } from "../blob/digest.ts";
import { compareBytes } from "../directory/entry.ts";
import type { Direction, LineageSource, Neighbour } from "../lineage/walk.ts";
import type { MetadataStore } from "../ports/metadata-store.ts";
import { parseRef, refOf } from "../ref.ts";

/** So many versions are asked for at a time. */
const PAGE = 64;

interface Known {
  digest?: string;
  deleted: boolean;
  inputs: readonly string[];
}

/** The lineage as a database tells it, a part of a level at a time. */
export class RecordLineage implements LineageSource {
  readonly #metadata: MetadataStore;
  /** What was looked at, for as long as the walk lasts: that ends with so many nodes. */
  readonly #known = new Map<string, Known>();

  constructor(metadata: MetadataStore) {
    this.#metadata = metadata;
  }

  async look(of: VersionName): Promise<Known> {
    const known = this.#known.get(refOf(of)) ?? (await this.#read(of));
    this.#known.set(refOf(of), known);
    return known;
  }

  async *neighbours(direction: Direction, level: readonly VersionName[]): AsyncGenerator<Neighbour> {
    for (let from = 0; from < level.length; from += PAGE) {
      const some = level.slice(from, from + PAGE);
      const steps = direction === "up" ? await this.#inputs(some) : await this.#consumers(some);
      for (let at = 0; at < steps.length; at += PAGE) {
        const page = steps.slice(at, at + PAGE);
        await Promise.all(page.map(({ to }) => this.look(to)));
        yield* page;
      }
    }
  }

  async #inputs(level: readonly VersionName[]): Promise<Neighbour[]> {
    const all = await Promise.all(level.map(async (of) => ({ of, inputs: (await this.look(of)).inputs })));
    return all.flatMap(({ of, inputs }) =>
      inputs.map((input) => ({ of, to: parseRef(input) as unknown as VersionName })),
    );
  }

  async #consumers(level: readonly VersionName[]): Promise<Neighbour[]> {
    const places = new Map(level.map((of, i) => [refOf(of), i]));
    const steps = await this.#metadata.lineage("down", level);
    const found = steps.map(({ from, to }) => ({ place: places.get(refOf(from))!, to }));
    found.sort((a, b) => a.place - b.place || compareVersions(a.to, b.to));
    return found.map(({ place, to }) => ({ of: level[place]!, to }));
  }

  async #read({ name, version }: VersionName): Promise<Known> {
    const record = await this.#metadata.at(name, version);
    if (!record) return { deleted: true, inputs: [] };
    return { digest: digestText(record.digest), deleted: record.deleted, inputs: record.inputs };
  }
}

function compareVersions(a: VersionName, b: VersionName): number {
  return compareBytes(a.name, b.name) || a.version - b.version;
}

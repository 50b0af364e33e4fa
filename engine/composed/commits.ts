import { VarveError } from "../errors.ts";
import type { MetadataOperation, MetadataStore, UnitResult } from "../ports/metadata-store.ts";
import type { Kept } from "./puts.ts";

/** One call to the database takes at most so many units, and about so many operations. */
const UNITS_MAX = 1_000;
const OPERATIONS_MAX = 10_000;
/** How often bytes that have become old while others were put again are put again too. */
const ROUNDS_MAX = 3;

/** What is to be committed together, with the bytes that it is the first to need. */
export interface ReadyUnit {
  operations: readonly MetadataOperation[];
  kept: readonly Kept[];
}

interface Entry {
  ready: ReadyUnit | undefined;
  /** Resolves when it is ready, or has failed and was told so. */
  settled: Promise<void> | undefined;
  hasFailed: boolean;
  resolve(result: UnitResult): void;
  reject(error: unknown): void;
}

/**
 * The group commit of a store over a database: while one call runs, what comes meanwhile gathers, and goes together in the
 * next one. Units apply in the order in which they were submitted, also where the bytes of an earlier one take longer.
 */
export class Commits {
  readonly #metadata: MetadataStore;
  readonly #now: () => number;
  readonly #graceMilliseconds: number;
  readonly #queue: Entry[] = [];
  #running: Promise<void> | undefined;

  constructor(metadata: MetadataStore, now: () => number, graceMilliseconds: number) {
    this.#metadata = metadata;
    this.#now = now;
    this.#graceMilliseconds = graceMilliseconds;
  }

  submit(unit: ReadyUnit | Promise<ReadyUnit>): Promise<UnitResult> {
    return new Promise((resolve, reject) => {
      const entry: Entry = { ready: undefined, settled: undefined, hasFailed: false, resolve, reject };
      if (unit instanceof Promise) entry.settled = this.#settle(entry, unit);
      else entry.ready = unit;
      this.#queue.push(entry);
      this.#running ??= this.#run();
    });
  }

  async #settle(entry: Entry, unit: Promise<ReadyUnit>): Promise<void> {
    try {
      entry.ready = await unit;
    } catch (error) {
      this.#fail(entry, error);
    }
  }

  #fail(entry: Entry, error: unknown): void {
    entry.hasFailed = true;
    entry.reject(error);
  }

  async #run(): Promise<void> {
    // What is called in one turn of the event loop goes together.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      await this.#queue[0]!.settled;
      const group = await this.#fresh(this.#take());
      if (group.length > 0) await this.#commit(group);
    }
    this.#running = undefined;
  }

  /** The first ones that are ready: nobody is overtaken. */
  #take(): Entry[] {
    const group: Entry[] = [];
    let operations = 0;
    while (group.length < UNITS_MAX && operations < OPERATIONS_MAX) {
      const first = this.#queue[0];
      if (!first?.ready && !first?.hasFailed) break;
      this.#queue.shift();
      if (!first.ready) continue;
      group.push(first);
      operations += first.ready.operations.length;
    }
    return group;
  }

  /** Sees to it that no bytes are so old that they may be collected before the commit is through. */
  async #fresh(group: Entry[]): Promise<Entry[]> {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const late = group.filter(
        (entry) => !entry.hasFailed && this.#oldest(entry) > this.#graceMilliseconds / 2,
      );
      if (late.length === 0) break;
      for (const entry of late) {
        try {
          await this.#putAgain(entry, this.#graceMilliseconds / 2);
        } catch (error) {
          this.#fail(entry, error);
        }
      }
    }
    for (const entry of group)
      if (!entry.hasFailed && this.#oldest(entry) > this.#graceMilliseconds / 2) this.#fail(entry, tooSlow());
    return group.filter(({ hasFailed }) => !hasFailed);
  }

  #oldest({ ready }: Entry): number {
    return ready!.kept.reduce((age, kept) => Math.max(age, kept.age), 0);
  }

  async #putAgain({ ready }: Entry, olderThan: number): Promise<void> {
    for (const kept of ready!.kept) if (kept.age > olderThan) await kept.putAgain();
  }

  async #commit(group: Entry[]): Promise<void> {
    let results: (UnitResult | Error)[];
    try {
      const time = this.#now();
      results = await this.#metadata.commit(
        group.map(({ ready }) => ({ operations: ready!.operations, time })),
      );
    } catch (error) {
      for (const entry of group) entry.reject(error);
      return;
    }
    for (const [i, entry] of group.entries()) {
      const result = results[i]!;
      if (result instanceof Error) entry.reject(result);
      else if (this.#oldest(entry) < this.#graceMilliseconds) entry.resolve(result);
      else await this.#mend(entry, result);
    }
  }

  /** The process, or the database, stood still for so long that the bytes may have been collected before there was a version. */
  async #mend(entry: Entry, result: UnitResult): Promise<void> {
    try {
      await this.#putAgain(entry, this.#graceMilliseconds / 2);
      entry.resolve(result);
    } catch (error) {
      await this.#takeBack(entry, result).catch(() => {});
      entry.reject(error);
    }
  }

  /** A version whose bytes are gone is none. */
  async #takeBack({ ready }: Entry, { versions }: UnitResult): Promise<void> {
    const made = versionsOfSaves(ready!.operations, versions);
    const operations = made.map(
      ({ name, version }): MetadataOperation => ({
        kind: "delete",
        target: { kind: "version", name, version },
        aliases: true,
      }),
    );
    await this.#metadata.commit([{ operations, time: this.#now() }]);
  }
}

/** Of what a unit has made, that of its saves. */
export function versionsOfSaves<T>(operations: readonly MetadataOperation[], versions: readonly T[]): T[] {
  const making = operations.filter(
    ({ kind }) => kind === "save" || kind === "annotate" || kind === "undelete",
  );
  return versions.filter((_, i) => making[i]?.kind === "save");
}

function tooSlow(): VarveError {
  return new VarveError(
    "UNAVAILABLE",
    "the bytes took so long to put away that the first of them are old already",
    {
      hint: "nothing was saved; look at how fast the place for values is, and save again",
    },
  );
}

import { AliasRows } from "./alias-rows.ts";
import type { Artifact, ListFilter } from "./api.ts";
import type { KeyRange } from "./artifact-key.ts";
import {
  ELSEWHERE_KEY,
  KEPT_KEY,
  namesRange,
  nodesRange,
  parseVersionKey,
  versionKey,
  versionsRange,
} from "./artifact-key.ts";
import { isDeleted } from "./artifact-record.ts";
import type { EngineCore } from "./engine.ts";
import { throwIfAborted } from "./errors.ts";
import type { TakenFilter } from "./filter.ts";
import { passes, takeFilter } from "./filter.ts";
import type { Catalog } from "./index/catalog.ts";
import { Candidate, Needs } from "./listing/candidate.ts";
import type { Entry } from "./listing/smallest.ts";
import { compareEntries, Smallest } from "./listing/smallest.ts";
import { VersionWalk } from "./listing/walk.ts";
import { noSuchPlace } from "./refusals.ts";
import type { EngineSnapshot } from "./snapshot.ts";
import { versionPage } from "./version-page.ts";
import type { VersionRow, Versions } from "./versions.ts";

/** A listing reads from one state of the store for so long; then it goes on in a newer one, so that the index can reuse pages. */
const SNAPSHOT_MILLISECONDS_MAX = 60_000;
/** Pages of rows between two turns of the event loop. */
const PAGES_PER_TURN = 8;
/** Of one name, where all are listed. */
const VERSIONS_PER_PAGE = 128;
/** What a list sorted by time or size keeps of versions at most (a number and a key each): more takes another pass over the rows. */
const SORTED_ENTRIES_MAX = 32_768;

/**
 * The artifacts that a filter lets through, in order. By name it reads no further than it must. By time or size it goes
 * over all rows, keeping as many small entries as the limit says, at most twice 32,768; a longer list takes one pass for
 * each 32,768 artifacts.
 */
export function listArtifacts(
  core: EngineCore,
  versions: Versions,
  filter: ListFilter,
): AsyncGenerator<Artifact[]> {
  const make: Make<Artifact> = (found, reader) => versions.artifact(found, reader);
  return listMade(core, versions, takeFilter(filter), make, filter.signal);
}

/** What is given for a version that the filter lets through: undefined leaves it out. */
export type Make<T> = (found: VersionRow, reader: AliasRows) => T | undefined | Promise<T | undefined>;

/** The same of what is made of the versions, in pages. */
export async function* listMade<T>(
  core: EngineCore,
  versions: Versions,
  filter: TakenFilter,
  make: Make<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T[]> {
  const listing = new Listing(core, versions, filter, make, signal);
  try {
    yield* listing.pages();
  } finally {
    listing.close();
  }
}

class Listing<T> {
  readonly #core: EngineCore;
  readonly #versions: Versions;
  readonly #filter: TakenFilter;
  readonly #make: Make<T>;
  readonly #signal: AbortSignal | undefined;
  #current: EngineSnapshot | undefined;
  #aliases: AliasRows | undefined;

  constructor(
    core: EngineCore,
    versions: Versions,
    filter: TakenFilter,
    make: Make<T>,
    signal: AbortSignal | undefined,
  ) {
    this.#core = core;
    this.#versions = versions;
    this.#filter = filter;
    this.#make = make;
    this.#signal = signal;
  }

  async *pages(): AsyncGenerator<T[]> {
    const { sort, limit, digest, mode } = this.#filter;
    if (limit === 0) return;
    const snapshot = this.#snapshot();
    // A deleted version may have outlived its bytes.
    if (digest !== undefined && mode !== "deleted" && !mayBe(this.#core, digest)) return;
    if (sort === "name") yield* this.#byName();
    else yield* this.#sorted(snapshot);
  }

  close(): void {
    this.#current?.close();
    this.#current = undefined;
  }

  async *#byName(): AsyncGenerator<T[]> {
    let left = this.#filter.limit;
    for await (const page of this.#pages(this.#walk(this.#filter.after))) {
      const reader = this.#reader();
      left -= yield* madeOf(page, (found) => this.#madeIfPassing(found, reader), left);
      if (left === 0) return;
    }
  }

  #madeIfPassing(found: VersionRow, reader: AliasRows): ReturnType<Make<T>> {
    const passing = this.#passes(found);
    if (passing === true) return this.#make(found, reader);
    if (passing === false) return undefined;
    return passing.then((passes) => (passes ? this.#make(found, reader) : undefined));
  }

  async *#sorted(snapshot: EngineSnapshot): AsyncGenerator<T[]> {
    let left = this.#filter.limit;
    let position = await this.#position(snapshot);
    // More than are left, where few of those before were wanted after all.
    for (let count = Math.min(left, SORTED_ENTRIES_MAX); ; count = Math.min(count * 4, SORTED_ENTRIES_MAX)) {
      const entries = await this.#first(count, position);
      for (const { key } of entries) {
        const found = await this.#stillWanted(key);
        const made = found && (await this.#make(found, this.#reader()));
        if (made === undefined) continue;
        yield [made];
        if (--left === 0) return;
      }
      if (entries.length < count) return;
      position = entries.at(-1);
    }
  }

  /** The first entries behind a position, in the order of the list. */
  async #first(count: number, position: Entry | undefined): Promise<Entry[]> {
    const compare = this.#filter.reverse ? (a: Entry, b: Entry) => compareEntries(b, a) : compareEntries;
    const first = new Smallest(count, compare);
    for await (const page of this.#pages(this.#walk())) {
      for (const found of page) {
        const candidate = new Candidate(found, this.#versions);
        const reading = candidate.ready(this.#needs);
        if (reading) await reading;
        const entry = this.#entry(candidate);
        if (position && compare(entry, position) <= 0) continue;
        if (first.wants(entry) && (await passes(this.#filter.conditions, candidate))) first.add(entry);
      }
    }
    return first.sorted();
  }

  /** What it is sorted by. */
  get #needs(): Needs {
    return this.#filter.sort === "size" ? Needs.size : Needs.created;
  }

  /** `ready` was waited for. */
  #entry(candidate: Candidate): Entry {
    const value = this.#filter.sort === "size" ? candidate.size : candidate.createdAt;
    return { value, key: candidate.found.key };
  }

  /** Where a sorted list goes on: rows stay after deletes, and neither time nor size of a version ever changes. */
  async #position(snapshot: EngineSnapshot): Promise<Entry | undefined> {
    const { after } = this.#filter;
    if (!after) return undefined;
    const key = versionKey(after.name, after.version);
    const row = snapshot.row(key);
    if (row) {
      const candidate = new Candidate({ ...after, key, row }, this.#versions);
      await candidate.ready(this.#needs);
      return this.#entry(candidate);
    }
    throw noSuchPlace(after);
  }

  /** The version of an entry, looked at again since the snapshot may be a newer one. */
  async #stillWanted(key: Buffer): Promise<VersionRow | undefined> {
    const row = this.#snapshot().row(key);
    if (!row || isDeleted(row) !== (this.#filter.mode === "deleted")) return undefined;
    const found = { ...parseVersionKey(key), key, row };
    return (await this.#passes(found)) ? found : undefined;
  }

  #passes(found: VersionRow): boolean | Promise<boolean> {
    const { conditions } = this.#filter;
    return conditions.length === 0 || passes(conditions, new Candidate(found, this.#versions));
  }

  /** The versions whose names match, whatever else they are. */
  async *#pages(walk: VersionWalk): AsyncGenerator<VersionRow[]> {
    const { matches } = this.#filter.glob;
    for (let pages = 1; ; pages++) {
      const page = walk.page(this.#snapshot());
      if (!page) return;
      const named = page.filter(({ name }) => matches(name));
      if (named.length > 0) yield named;
      if (pages % PAGES_PER_TURN === 0) await this.#turn();
    }
  }

  #walk(after?: TakenFilter["after"]): VersionWalk {
    const { glob, mode, reverse, sort } = this.#filter;
    const range: KeyRange = glob.exact ? versionsRange(glob.prefix) : namesRange(glob.prefix);
    return new VersionWalk({ range, mode, reverse: reverse && sort === "name", after });
  }

  /** The snapshot as it is read for artifacts: most names have no aliases. */
  #reader(): AliasRows {
    const snapshot = this.#snapshot();
    if (this.#aliases?.snapshot !== snapshot) this.#aliases = new AliasRows(snapshot);
    return this.#aliases;
  }

  #snapshot(): EngineSnapshot {
    if (this.#current && performance.now() - this.#current.openedAt > SNAPSHOT_MILLISECONDS_MAX) this.close();
    this.#current ??= this.#core.snapshot();
    return this.#current;
  }

  async #turn(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    throwIfAborted(this.#signal);
  }
}

/**
 * Whether there may be a value whose digest begins with these digits: if not, no version needs to be looked at. That of a
 * value in chunks or elsewhere stands in no row of its own.
 */
function mayBe(core: EngineCore, digits: string): boolean {
  const isNoted = [ELSEWHERE_KEY, KEPT_KEY].some((key) => core.row(key) !== undefined);
  const isOutside = isNoted || core.first(nodesRange()) !== undefined;
  return isOutside || hasBlob(core.catalog, digits);
}

function hasBlob(catalog: Catalog, digits: string): boolean {
  const from = Buffer.from(digits.padEnd(digits.length + (digits.length % 2), "0"), "hex");
  for (const { digest } of catalog.blobs(from)) return digest.toString("hex").startsWith(digits);
  return false;
}

/** The live versions of one name, oldest first. */
export async function* listVersions<T>(core: EngineCore, name: string, make: Make<T>): AsyncGenerator<T[]> {
  const snapshot = core.snapshot();
  const reader = new AliasRows(snapshot);
  const made = (found: VersionRow) => (isDeleted(found.row) ? undefined : make(found, reader));
  try {
    const range = { end: versionsRange(name).start, reverse: true, limit: VERSIONS_PER_PAGE };
    let page = versionPage(snapshot, { ...range, start: versionKey(name, 0) });
    for (;;) {
      yield* madeOf(page.found, made);
      if (!page.last) return;
      page = versionPage(snapshot, { ...range, start: page.last, exclusiveStart: true });
    }
  } finally {
    snapshot.close();
  }
}

/** What is made of a page, at most `limit`, and how many. What comes before one that can't be read is given all the same. */
async function* madeOf<T>(
  page: readonly VersionRow[],
  make: (found: VersionRow) => T | undefined | Promise<T | undefined>,
  limit = page.length,
): AsyncGenerator<T[], number> {
  const given: T[] = [];
  try {
    for (const item of page) {
      const found = make(item);
      const made = found instanceof Promise ? await found : found;
      if (made !== undefined && given.push(made) === limit) break;
    }
  } finally {
    if (given.length > 0) yield given;
  }
  return given.length;
}

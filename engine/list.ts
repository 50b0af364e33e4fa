import type { Artifact, ListFilter } from "./api.ts";
import { isDeleted, namesRange, parseVersionKey, versionKey, versionsRange } from "./artifact-record.ts";
import type { EngineCore } from "./engine.ts";
import { VarveError } from "./errors.ts";
import { parseGlob } from "./glob.ts";
import type { EnvironmentRange } from "./index/lmdb.ts";
import { checkVersion, parseRef } from "./ref.ts";
import type { EngineSnapshot } from "./snapshot.ts";
import type { VersionRow, Versions } from "./versions.ts";

/** A listing reads from one state of the store for so long; then it goes on in a newer one, so that the index can reuse pages. */
const SNAPSHOT_MILLISECONDS_MAX = 60_000;

/** The artifacts that a filter lets through, in order, without reading those behind the limit or outside the names. */
export async function* listArtifacts(
  core: EngineCore,
  versions: Versions,
  filter: ListFilter,
): AsyncGenerator<Artifact> {
  const limit = checkedLimit(filter.limit);
  const rows = new RowWalk(core, filter);
  let given = 0;
  try {
    while (given < limit) {
      const found = rows.next();
      if (!found) return;
      const artifact = await versions.artifact(found, rows.snapshot);
      if (!hasTags(artifact, filter.tags)) continue;
      given++;
      yield artifact;
    }
  } finally {
    rows.close();
  }
}

function hasTags(artifact: Artifact, wanted: Record<string, string> = {}): boolean {
  return Object.entries(wanted).every(
    ([key, value]) => Object.hasOwn(artifact.tags, key) && artifact.tags[key] === value,
  );
}

function checkedLimit(limit: number | undefined): number {
  if (limit === undefined) return Number.POSITIVE_INFINITY;
  if (Number.isInteger(limit) && limit >= 0) return limit;
  throw new VarveError("INVALID_ARGUMENT", `not a limit: ${limit}`, { hint: "give a whole number" });
}

/** Goes over the versions of the names of a filter, name by name: the latest of each, or every one. */
class RowWalk {
  readonly #core: EngineCore;
  readonly #filter: ListFilter;
  readonly #matches: (name: string) => boolean;
  #range: EnvironmentRange;
  #snapshot: EngineSnapshot | undefined;
  /** Rows of the name that the walk is at, still to be given. */
  #pending: VersionRow[] = [];

  constructor(core: EngineCore, filter: ListFilter) {
    const glob = parseGlob(filter.name ?? "**");
    this.#core = core;
    this.#filter = filter;
    this.#matches = glob.matches;
    const { start, end } = namesRange(glob.prefix);
    this.#range = filter.reverse ? { start: end, end: start, reverse: true } : { start, end };
    if (filter.after !== undefined) this.#goBehind(filter.after);
  }

  get snapshot(): EngineSnapshot {
    if (this.#snapshot && performance.now() - this.#snapshot.openedAt > SNAPSHOT_MILLISECONDS_MAX)
      this.close();
    this.#snapshot ??= this.#core.snapshot();
    return this.#snapshot;
  }

  next(): VersionRow | undefined {
    while (this.#pending.length === 0) {
      const [first] = this.snapshot.rows({ ...this.#range, limit: 1 });
      if (!first) return undefined;
      const { name } = parseVersionKey(first.key);
      this.#pending = this.#matches(name) ? this.#wanted(name) : [];
      this.#range = { ...this.#range, start: this.#edge(name) };
    }
    return this.#pending.shift();
  }

  close(): void {
    this.#snapshot?.close();
    this.#snapshot = undefined;
  }

  /** Goes on behind an artifact that was listed before. */
  #goBehind(cursor: string): void {
    const ref = parseRef(cursor);
    if (ref.kind !== "version") {
      throw new VarveError("INVALID_ARGUMENT", `not a place in a list: ${JSON.stringify(cursor)}`, {
        hint: "`after` is the ref of the last artifact that was listed, with its version",
      });
    }
    checkVersion(ref.version);
    if (this.#filter.allVersions || this.#filter.deleted) {
      const rest = this.#matches(ref.name) ? this.#wanted(ref.name) : [];
      const behind = (version: number) =>
        this.#filter.reverse ? version > ref.version : version < ref.version;
      this.#pending = rest.filter(({ version }) => behind(version));
    }
    this.#range = { ...this.#range, start: this.#edge(ref.name) };
  }

  /** The first key behind all versions of a name, in the direction of the walk. */
  #edge(name: string): Buffer {
    const { start, end } = versionsRange(name);
    return this.#filter.reverse ? start : end;
  }

  #wanted(name: string): VersionRow[] {
    const { allVersions, deleted, reverse } = this.#filter;
    const wanted: VersionRow[] = [];
    for (const page of this.snapshot.pages(versionsRange(name))) {
      for (const { key, row } of page) {
        if (isDeleted(row) !== (deleted ?? false)) continue;
        wanted.push({ ...parseVersionKey(key), key, row });
        if (!allVersions && !deleted) return wanted;
      }
    }
    return reverse ? wanted.reverse() : wanted;
  }
}

/** The live versions of one name, oldest first. */
export async function* listVersions(
  core: EngineCore,
  versions: Versions,
  name: string,
): AsyncGenerator<Artifact> {
  const snapshot = core.snapshot();
  try {
    const { start } = versionsRange(name);
    const oldest = versionKey(name, 0);
    for (const page of snapshot.pages({ start: oldest, end: start, reverse: true })) {
      for (const { key, row } of page) {
        if (isDeleted(row)) continue;
        yield await versions.artifact({ ...parseVersionKey(key), key, row }, snapshot);
      }
    }
  } finally {
    snapshot.close();
  }
}

import type { KeyRange } from "../artifact-record.ts";
import { isDeleted, parseVersionKey, versionKey, versionsRange } from "../artifact-record.ts";
import type { EngineSnapshot } from "../snapshot.ts";
import type { VersionRow } from "../versions.ts";

/** Which versions are wanted: of each name the latest that is not deleted, all that are not, or all that are. */
export type Mode = "latest" | "live" | "deleted";

/** A version to go on behind. */
export interface Place {
  name: string;
  version: number;
}

export interface WalkOptions {
  range: KeyRange;
  mode: Mode;
  reverse: boolean;
  after?: Place | undefined;
}

const PAGE_ROWS_MIN = 8;
const PAGE_ROWS_MAX = 256;

/**
 * Goes over versions in the order of names, the newest of a name first (in reverse: the oldest), a page of rows at a
 * time: no iterator stays open between pages, so each may be read from a newer snapshot.
 */
export class VersionWalk {
  readonly #mode: Mode;
  readonly #reverse: boolean;
  readonly #end: Buffer;
  #start: Buffer;
  #exclusive = false;
  #pageRows = 32;
  /** The name whose latest version was given. */
  #doneName: string | undefined;

  constructor({ range, mode, reverse, after }: WalkOptions) {
    this.#mode = mode;
    this.#reverse = reverse;
    this.#start = reverse ? range.end : range.start;
    this.#end = reverse ? range.start : range.end;
    if (after) this.#goBehind(after);
  }

  /** The wanted versions of the next rows, maybe none; undefined at the end. */
  page(snapshot: EngineSnapshot): VersionRow[] | undefined {
    if (this.#isBehind(this.#start, this.#end)) return undefined;
    if (this.#mode !== "latest") return this.#pageOfAll(snapshot);
    return this.#reverse ? this.#pageOfLatestInReverse(snapshot) : this.#pageOfLatest(snapshot);
  }

  #pageOfAll(snapshot: EngineSnapshot): VersionRow[] | undefined {
    const rows = this.#rows(snapshot, PAGE_ROWS_MAX);
    if (rows.length === 0) return undefined;
    this.#start = rows.at(-1)!.key;
    this.#exclusive = true;
    const deleted = this.#mode === "deleted";
    return rows.filter(({ row }) => isDeleted(row) === deleted).map((found) => asVersion(found));
  }

  #pageOfLatest(snapshot: EngineSnapshot): VersionRow[] | undefined {
    const rows = this.#rows(snapshot, this.#pageRows);
    if (rows.length === 0) return undefined;
    const wanted: VersionRow[] = [];
    let name = "";
    for (const found of rows) {
      const version = asVersion(found);
      name = version.name;
      if (name === this.#doneName || isDeleted(version.row)) continue;
      this.#doneName = name;
      wanted.push(version);
    }
    // The older versions of a name are jumped over.
    this.#exclusive = name !== this.#doneName;
    this.#start = this.#exclusive ? rows.at(-1)!.key : versionsRange(name).end;
    this.#adaptPage(rows.length, wanted.length);
    return wanted;
  }

  /** Backwards the latest version of a name comes last: that of the page's last name is looked for from the front. */
  #pageOfLatestInReverse(snapshot: EngineSnapshot): VersionRow[] | undefined {
    const rows = this.#rows(snapshot, this.#pageRows);
    if (rows.length === 0) return undefined;
    const range = versionsRange(parseVersionKey(rows.at(-1)!.key).name);
    const latest = new Map<string, VersionRow>();
    for (const found of rows) {
      const version = asVersion(found);
      if (!isDeleted(version.row)) latest.set(version.name, version);
    }
    const last = firstLive(snapshot, range);
    if (last) latest.set(last.name, last);
    this.#start = range.start;
    this.#adaptPage(rows.length, latest.size);
    return [...latest.values()];
  }

  /** Where names have many versions, long pages read most of their rows for nothing. */
  #adaptPage(read: number, wanted: number): void {
    const useful = wanted * 4 >= read;
    this.#pageRows = useful
      ? Math.min(this.#pageRows * 2, PAGE_ROWS_MAX)
      : Math.max(this.#pageRows / 2, PAGE_ROWS_MIN);
  }

  #rows(snapshot: EngineSnapshot, limit: number) {
    const range = { start: this.#start, end: this.#end, limit, reverse: this.#reverse };
    return snapshot.rows(this.#exclusive ? { ...range, exclusiveStart: true } : range);
  }

  #goBehind({ name, version }: Place): void {
    const names = versionsRange(name);
    const edge = this.#reverse ? names.start : names.end;
    const start = this.#mode === "latest" ? edge : versionKey(name, version);
    if (!this.#isBehind(start, this.#start)) return;
    this.#start = start;
    this.#exclusive = this.#mode !== "latest";
  }

  /** Whether the walk meets `a` after `b`, or where it meets `b`. */
  #isBehind(a: Buffer, b: Buffer): boolean {
    const order = Buffer.compare(a, b);
    return this.#reverse ? order <= 0 : order >= 0;
  }
}

function firstLive(snapshot: EngineSnapshot, range: KeyRange): VersionRow | undefined {
  let start = range.start;
  for (let limit = 1; ; limit = PAGE_ROWS_MAX) {
    const rows = snapshot.rows({ start, end: range.end, limit, exclusiveStart: true });
    if (rows.length === 0) return undefined;
    const live = rows.find(({ row }) => !isDeleted(row));
    if (live) return asVersion(live);
    start = rows.at(-1)!.key;
  }
}

function asVersion({ key, row }: { key: Buffer; row: VersionRow["row"] }): VersionRow {
  const { name, version } = parseVersionKey(key);
  return { name, version, key, row };
}

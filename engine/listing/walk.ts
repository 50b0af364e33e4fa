import type { KeyRange } from "../artifact-key.ts";
import { versionKey, versionsBeside, versionsRange } from "../artifact-key.ts";
import { isDeleted } from "../artifact-record.ts";
import type { EngineSnapshot } from "../snapshot.ts";
import type { VersionPage } from "../version-page.ts";
import { versionPage } from "../version-page.ts";
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

  #pageOfAll(snapshot: EngineSnapshot): VersionRow[] {
    const { found, last } = this.#versions(snapshot, PAGE_ROWS_MAX);
    this.#goOnBehind(last, true);
    const deleted = this.#mode === "deleted";
    return found.filter(({ row }) => isDeleted(row) === deleted);
  }

  #pageOfLatest(snapshot: EngineSnapshot): VersionRow[] {
    const { found, last } = this.#versions(snapshot, this.#pageRows);
    const wanted: VersionRow[] = [];
    for (const version of found) {
      if (version.name === this.#doneName || isDeleted(version.row)) continue;
      this.#doneName = version.name;
      wanted.push(version);
    }
    // The older versions of a name are jumped over.
    const isDone = found.at(-1)?.name === this.#doneName;
    if (isDone) this.#goOnBehind(last && versionsBeside(last).end, false);
    else this.#goOnBehind(last, true);
    this.#adaptPage(found.length, wanted.length);
    return wanted;
  }

  /** Backwards the latest version of a name comes last: that of the page's last name is looked for from the front. */
  #pageOfLatestInReverse(snapshot: EngineSnapshot): VersionRow[] {
    const { found, last } = this.#versions(snapshot, this.#pageRows);
    const latest = new Map<string, VersionRow>();
    for (const version of found) if (!isDeleted(version.row)) latest.set(version.name, version);
    const range = last && versionsBeside(last);
    const first = range && firstLive(snapshot, range);
    if (first) latest.set(first.name, first);
    this.#goOnBehind(range?.start, false);
    this.#adaptPage(found.length, latest.size);
    return [...latest.values()];
  }

  /** Where names have many versions, long pages read most of their rows for nothing. */
  #adaptPage(read: number, wanted: number): void {
    const useful = wanted * 4 >= read;
    this.#pageRows = useful
      ? Math.min(this.#pageRows * 2, PAGE_ROWS_MAX)
      : Math.max(this.#pageRows / 2, PAGE_ROWS_MIN);
  }

  #versions(snapshot: EngineSnapshot, limit: number): VersionPage {
    const range = { start: this.#start, end: this.#end, limit, reverse: this.#reverse };
    return versionPage(snapshot, this.#exclusive ? { ...range, exclusiveStart: true } : range);
  }

  /** @param start undefined when there is nothing more */
  #goOnBehind(start: Buffer | undefined, exclusive: boolean): void {
    this.#start = start ?? this.#end;
    this.#exclusive = exclusive;
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

function firstLive(snapshot: EngineSnapshot, { start, end }: KeyRange): VersionRow | undefined {
  let from: Buffer | undefined = start;
  for (let limit = 1; from; limit = PAGE_ROWS_MAX) {
    const { found, last } = versionPage(snapshot, { start: from, end, limit, exclusiveStart: true });
    const live = found.find(({ row }) => !isDeleted(row));
    if (live) return live;
    from = last;
  }
  return undefined;
}

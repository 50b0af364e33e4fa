import type { AliasCall, Call, Operation, SavedCall } from "./space-events.ts";
import { isTree } from "./values.ts";

/** A span of time in which something happened, if `certain`; else it may have, or may yet. */
interface Span {
  from: number;
  to: number;
  certain: boolean;
}

/** What is known of one version. */
export interface KnownVersion {
  name: string;
  version: number;
  saved: SavedCall;
  /** The save, and undeletes. */
  made: Span[];
  deletes: Span[];
}

/** Compactions: of everything that was dead when one began the bytes may be gone. */
const compacts = ({ call }: Operation) =>
  (call.call === "compact" && !call.dryRun) || (call.call === "prune" && !call.dryRun && call.compact);

const forgets = ({ call }: Operation) =>
  call.call === "compact" && !call.dryRun && call.historyBefore !== undefined;

/** Whether nobody can tell if it did what it was to do: a prune that failed may have deleted before. */
const mayHaveDone = ({ call, result }: Operation) => !result?.error || call.call === "prune";

const isCertain = ({ result }: Operation) => result !== undefined && !result.error;

const spanOf = (operation: Operation): Span => {
  const { from, to } = operation;
  return { from, to: isCertain(operation) ? to : Number.POSITIVE_INFINITY, certain: isCertain(operation) };
};

/** The life of each version that was acknowledged or found, as far as the calls of a history tell. */
export class KnownVersions {
  readonly #versions = new Map<string, KnownVersion>();
  readonly #byName = new Map<string, KnownVersion[]>();
  /** Saves of which nobody knows the version. */
  readonly #pending = new Map<string, Operation>();
  readonly #operations: readonly Operation[];
  readonly #newest = new Map<string, number>();
  readonly #isCapped: boolean;
  readonly #compactions: Span[];
  /** Of those that let go of what was deleted for good. */
  readonly #forgets: Span[];

  /**
   * @param refs of all that is there in the end, deleted or not
   * @param isCapped the store deletes and compacts by itself
   */
  constructor(operations: readonly Operation[], refs: readonly string[], isCapped = false) {
    this.#operations = operations;
    this.#isCapped = isCapped;
    for (const ref of refs) {
      const colon = ref.lastIndexOf(":");
      const name = ref.slice(0, colon);
      this.#newest.set(name, Math.max(this.newest(name), Number(ref.slice(colon + 1))));
    }
    const always = isCapped ? [{ from: 0, to: Number.POSITIVE_INFINITY, certain: false }] : [];
    this.#compactions = [...operations.filter(compacts).map(spanOf), ...always];
    this.#forgets = [...operations.filter(forgets).map(spanOf), ...always];
    for (const operation of operations) this.#noteSaves(operation);
    for (const operation of operations.filter(mayHaveDone)) this.#noteChange(operation);
  }

  get all(): Iterable<KnownVersion> {
    return this.#versions.values();
  }

  get(name: string, version: number): KnownVersion | undefined {
    return this.#versions.get(`${name}:${version}`);
  }

  of(name: string): readonly KnownVersion[] {
    return this.#byName.get(name) ?? [];
  }

  /** The highest number that was given out; -1 when none was. */
  newest(name: string): number {
    return this.#newest.get(name) ?? -1;
  }

  /** A reader was given a version that was not acknowledged: gives whether anybody had begun to save it. */
  found(name: string, version: number, id: string, at: number): boolean {
    const known = this.get(name, version);
    if (known) return known.saved.id === id;
    const pending = this.#pending.get(`${name} ${id}`);
    if (!pending || pending.from > at) return false;
    const saved = savesOf(pending.call).find((each) => each.id === id && each.name === name)!;
    const added = this.#add(saved, version, { from: pending.from, to: at, certain: true });
    for (const operation of this.#operations.filter(mayHaveDone)) this.#noteChange(operation, added);
    return true;
  }

  /** Whether it was there all the time between. */
  isLive({ made, deletes }: KnownVersion, from: number, to: number): boolean {
    return holdsAllTheTime(made, deletes, from, to);
  }

  /** Whether it was deleted all the time between. */
  isDeleted({ made, deletes }: KnownVersion, from: number, to: number): boolean {
    return holdsAllTheTime(deletes, made, from, to);
  }

  /**
   * Whether the bytes of a version that was deleted may be gone at `to`: a compaction was under way at some time behind its
   * deletion, and one of its blobs is needed by nothing else.
   */
  mayBeCompacted(version: KnownVersion, to: number): boolean {
    if (this.mayBeForgotten(version, to)) return true;
    const since = deletedSince(version, to);
    if (!this.#compactions.some((each) => each.to > since && each.from < to)) return false;
    const { value, code } = version.saved;
    // What tells which files of a directory are as they were is its own, though another has the same files.
    if (isTree(value)) return true;
    return [value, code].some((blob) => blob !== undefined && !this.#isNeeded(blob, since, to));
  }

  /** Whether anybody let go of deleted versions. */
  get forgets(): boolean {
    return this.#forgets.length > 0;
  }

  /** Whether not even its row may be there any more. */
  mayBeForgotten(version: KnownVersion, to: number): boolean {
    const since = deletedSince(version, to);
    return this.#forgets.some((each) => each.to > since && each.from < to);
  }

  #isNeeded(blob: string, from: number, to: number): boolean {
    for (const other of this.#versions.values()) {
      const { value, code } = other.saved;
      if ((value === blob || code === blob) && this.isLive(other, from, to)) return true;
    }
    return false;
  }

  #noteSaves(operation: Operation): void {
    const { result } = operation;
    const saves = savesOf(operation.call);
    if (!result) for (const save of saves) this.#pending.set(`${save.name} ${save.id}`, operation);
    for (const [i, { version }] of (result?.saved ?? []).entries())
      this.#add(saves[i]!, version, spanOf(operation));
  }

  #add(saved: SavedCall, version: number, made: Span): KnownVersion {
    const { name } = saved;
    const atAnyTime = { from: made.from, to: Number.POSITIVE_INFINITY, certain: false };
    const deletes = this.#isCapped ? [atAnyTime] : [];
    const known = { name, version, saved, made: [made], deletes };
    // A second one under the same number is told by who compares ids.
    if (!this.#versions.has(`${name}:${version}`)) {
      this.#versions.set(`${name}:${version}`, known);
      this.#byName.set(name, [...this.of(name), known]);
    }
    return known;
  }

  /** @param only the one version to note it of */
  #noteChange(operation: Operation, only?: KnownVersion): void {
    const { call, result } = operation;
    const note = (known: KnownVersion | undefined, what: "made" | "deletes", span = spanOf(operation)) => {
      if (known && (!only || known === only)) known[what].push(span);
    };
    if (call.call === "undelete") note(this.get(call.name, call.version), "made");
    if (call.call !== "delete" && call.call !== "prune") return;
    if (isCertain(operation)) {
      for (const ref of result?.deleted ?? []) note(this.#versions.get(ref), "deletes");
      return;
    }
    const candidates = call.call === "delete" ? this.of(call.name) : this.#versions.values();
    for (const known of candidates) {
      if (call.call === "delete" && call.version !== "all" && call.version !== known.version) continue;
      if (call.call === "prune" && call.dryRun) continue;
      note(known, "deletes");
    }
  }
}

/** Whether one of these things had happened before, and none of those that undo it could since. */
function holdsAllTheTime(done: readonly Span[], undone: readonly Span[], from: number, to: number): boolean {
  return done.some(
    (each) =>
      each.certain && each.to < from && !undone.some((other) => other.to > each.from && other.from < to),
  );
}

/** When it may have been deleted, the last time before `to`, at the earliest. */
function deletedSince({ made, deletes }: KnownVersion, to: number): number {
  const before = made.filter((make) => make.certain && make.to < to);
  const lastMade = Math.max(...before.map(({ from }) => from), 0);
  return Math.min(...deletes.filter((each) => each.to > lastMade).map(({ from }) => from));
}

export function savesOf(call: Call): SavedCall[] {
  if (call.call === "save") return [call];
  return call.call === "batch" ? call.saves : [];
}

/** The alias that a call sets; the version of a batch's is that of its second save. */
export function aliasSetBy({
  call,
  result,
}: Operation): (Omit<AliasCall, "version"> & { version?: number }) | undefined {
  if (call.call === "setAlias") return call;
  if (call.call !== "batch") return undefined;
  const version = result?.saved?.[1]?.version;
  const set = { call: "setAlias" as const, name: call.saves[1].name, alias: call.alias };
  return version === undefined ? set : { ...set, version };
}

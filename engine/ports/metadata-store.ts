import type { Backend, CallOptions, Code, DamageProblem, Environment, JsonObject } from "../api.ts";
import type { ParsedRef } from "../ref.ts";
import type { Digest } from "./blob-store.ts";

/**
 * Where names, versions, aliases, tags, code and lineage are kept. Implemented by the embedded engine and by SQL databases; the
 * conformance suite of the port tries every promise here on each. Arguments were checked before (names, aliases, tags):
 * an implementation does not check them again, and lets nothing in them be taken for anything but data.
 *
 * Every call may be made by many at once, and by many processes. A read sees everything that was committed, by whomever,
 * before it began. What fails is a `VarveError`: UNAVAILABLE (does not answer; the call may be repeated), UNAUTHORIZED, CONFIG,
 * IO, CORRUPTION, CLOSED, ABORTED, and what a call names itself.
 */

/** A value as a version refers to it; its bytes are in a `BlobStore`. */
export interface ValueFacts {
  /** Of a directory: of the root of its manifest, which is a blob too. */
  digest: Digest;
  /** Bytes of the value: of a directory, of all its files. */
  size: number;
  mediaType: string;
  /** What only some values have: of a directory, the digest of the blob that tells which of its files are as they were. */
  stamps?: Digest;
  /** Of one that a storage backend keeps: what finds it there. Kept and given as it is. */
  kept?: JsonObject;
}

/** A version as it is at the moment of reading. */
export interface VersionRecord extends ValueFacts {
  name: string;
  version: number;
  /** The operation that saved it. */
  sequence: number;
  /** When: milliseconds since 1970. */
  createdAt: number;
  backend: Backend;
  code?: Code;
  /** Refs with versions, as they were resolved. */
  inputs: readonly string[];
  environment: Environment;
  tags: Record<string, string>;
  metadata: JsonObject;
  /** Sorted. */
  aliases: readonly string[];
  deleted: boolean;
  /** Its bytes were collected, so that it can't be brought back. Only of deleted ones. */
  isForgotten: boolean;
}

/** A version of this commit, by the place of its save among the operations of the unit. */
export interface PendingTarget {
  kind: "pending";
  operation: number;
}
export type Target = ParsedRef | PendingTarget;

/** What a unit of a commit does, in order. */
export type MetadataOperation =
  | SaveOperation
  | { kind: "alias"; name: string; alias: string; version: number | PendingTarget }
  /** NOT_FOUND where there is no such alias. */
  | { kind: "deleteAlias"; name: string; alias: string }
  | { kind: "annotate"; target: Target; tags?: Record<string, string | null>; metadata?: JsonObject }
  /**
   * The target may be `all`. A version with an alias is CONFLICT, unless `aliases`. With `unless`, a version that has been
   * deleted, aliased, or annotated by a later operation than that one is left as it is, and not reported. With `purge`
   * one that a backend keeps is forgotten too; one that was deleted before is only that, and not reported, where the target
   * names its version.
   */
  | { kind: "delete"; target: Target; aliases: boolean; unless?: { changedAfter: number }; purge?: boolean }
  /** Brings back the aliases that went with it, where they are free. CONFLICT never; NOT_FOUND where it is forgotten. */
  | { kind: "undelete"; name: string; version: number }
  /** The value is in another place of its backend now. NOT_FOUND where the version is not live. */
  | { kind: "move"; name: string; version: number; kept: JsonObject };

export interface SaveOperation {
  kind: "save";
  name: string;
  value: ValueFacts;
  backend: Backend;
  code?: Code;
  /** Each must exist and be live: else NOT_FOUND. */
  inputs: readonly Target[];
  /** Kept once, however many versions name it. */
  environment: Environment;
  tags: Record<string, string>;
  metadata: JsonObject;
  /** CONFLICT (details: name, latest, ifVersion) where the latest live version is another. */
  ifVersion?: number | "absent";
}

/** Operations that apply together or not at all, under one sequence number. */
export interface Unit {
  operations: readonly MetadataOperation[];
  /** Milliseconds since 1970. The store gives a unit this time, or that of the unit before where that is later. */
  time: number;
}

/** What a unit has done. */
export interface UnitResult {
  /** The newest operation then: its own number, or that of the unit before if it changed nothing. */
  sequence: number;
  /** What saves, annotations, undeletes and moves made, in their order, as they are behind the whole unit. */
  versions: VersionRecord[];
  /** Refs of the versions that were deleted, in order, and `name@alias` of the aliases that went with them. */
  deleted: string[];
  removedAliases: string[];
}

/** Which way lineage is followed. */
export interface LineageStep {
  from: { name: string; version: number };
  to: { name: string; version: number };
}

/** What a list asks for. `matches` decides; the rest is what a database can do for it, and may be ignored. */
export interface ListQuery {
  /** `latest`: the latest live version of each name. `live`: every live version. `deleted`: every deleted one. */
  mode: "latest" | "live" | "deleted";
  sort: "name" | "createdAt" | "size";
  /** Exactly the other way round. */
  reverse: boolean;
  /** Go on behind this one, which may be gone since; by time and size, its place is that of the version it was. */
  after?: { name: string; version: number };
  /** May be infinite. */
  limit: number;
  /** Names begin with this. */
  prefix: string;
  /** The one name that is meant is `prefix`. */
  isExact: boolean;
  /** All of these hold: as `ListFilter`. Digits of the digest in hexadecimal. */
  hints: {
    tags?: Record<string, string>;
    mediaType?: string;
    createdBy?: string;
    since?: number;
    until?: number;
    minSize?: number;
    maxSize?: number;
    digestPrefix?: string;
    backend?: Backend;
  };
  matches(record: VersionRecord): boolean;
}

/** An operation as it is kept for the change feed. */
export interface OperationRecord {
  sequence: number;
  /** Milliseconds since 1970; never decreasing. */
  time: number;
  kind: "save" | "delete" | "undelete" | "alias" | "annotate" | "prune" | "move";
  name: string;
  /** Absent for aliases that were removed. */
  version?: number;
  alias?: string;
  /** The full new state of the version (without its aliases), as far as the kind has one: as `operationState` makes it. */
  state?: JsonObject;
}

export interface MetadataCompactOptions extends CallOptions {
  /** Only say what would be done. */
  dryRun?: boolean;
  /** The operation up to which history is forgotten. One that is yet to come stands for the newest. */
  historyBefore?: number;
  /** Of a store that is written to files of its own: those of which a smaller share is dead stay as they are. */
  deadShare?: number;
}

/** What was, or would be, given back: of a database that says nothing of its files, no bytes. */
export interface MetadataCompactReport {
  /** Of history: operations, or records of a log. */
  records: number;
  /** Files that were written again. */
  segments: number;
  freedBytes: number;
  /** In files that others may still read. */
  waitingBytes: number;
  /** What kept some of it from being given back. */
  skipped: DamageProblem[];
}

export interface MetadataCounts {
  /** Names with a live version. */
  names: number;
  versions: number;
  /** Those that can still be brought back. */
  deletedVersions: number;
  aliases: number;
  /** Sizes of all live versions. */
  valueBytes: number;
  sequence: number;
  /** Bytes that the database takes for it, where that can be told. */
  bytes?: number;
}

/** What an implementation can do beside what all can: declared, not found out by trying. */
export interface MetadataStoreCapabilities {
  /** Such as `embedded`, `sqlite`, `postgresql`. */
  readonly name: string;
  /** Other machines can reach it. */
  readonly isRemote: boolean;
}

export interface MetadataStore {
  readonly capabilities: MetadataStoreCapabilities;
  /** For people: without credentials. */
  readonly location: string;
  readonly storeId: string;

  /**
   * Applies units in their order. Each stands for itself: one that fails changes nothing and has its error in its place.
   * The call rejects where nothing can be said of any of them; with `outcome: "unknown"` where they may have been applied.
   * Versions are consecutive and never given twice; units of others at the same time are no failure.
   */
  commit(units: readonly Unit[], options?: CallOptions): Promise<(UnitResult | Error)[]>;

  /** The live version that a ref means; `all` is INVALID_ARGUMENT. */
  find(ref: ParsedRef, options?: CallOptions): Promise<VersionRecord | undefined>;
  /** Live, deleted or forgotten. */
  at(name: string, version: number, options?: CallOptions): Promise<VersionRecord | undefined>;
  /** By name in the order of the bytes of their UTF-8, versions newest first; by time and size ascending, equal ones by name. One state of the store, or a page at a time. Leaving early frees what it holds. */
  list(query: ListQuery, options?: CallOptions): AsyncIterable<VersionRecord>;
  /** Live versions of a name, oldest first. */
  versions(name: string, options?: CallOptions): AsyncIterable<VersionRecord>;
  /** Alias to version. */
  aliases(name: string, options?: CallOptions): Promise<Record<string, number>>;
  /** What the given versions were made from (`up`), or what was made from them (`down`), deleted ones too. */
  lineage(
    direction: "up" | "down",
    of: readonly { name: string; version: number }[],
    options?: CallOptions,
  ): Promise<LineageStep[]>;

  /**
   * The values that versions need which are live, or deleted and not forgotten: each digest once, or oftener. Not those that a
   * backend keeps.
   */
  values(options?: CallOptions): AsyncIterable<ValueFacts & { deleted: boolean }>;
  /**
   * Forgets the bytes of versions that are deleted since operations up to `sequence`, but for those that a backend keeps: `at`
   * says so, `undelete` refuses. The number of those that were not forgotten before is given. To be called before their bytes
   * are removed.
   */
  forget(sequence: number, options?: CallOptions): Promise<number>;
  /**
   * Gives back what nothing needs any more: code and environments that no version names, what operations up to the horizon have
   * left. With `historyBefore` the horizon is moved up to there, never back: from then on no operation up to it is told of. Of
   * versions that are deleted since operations up to it, forgotten or not, nothing is left but that their numbers are not given again;
   * one that a backend keeps stays as long as it is not forgotten, for it tells whose that is; the first and the newest of each name stay among the deleted ones. Others go on to commit and read meanwhile, and two calls at
   * once do no harm; CONFLICT where only one at a time can be. Interrupted, it has done a part, and the next call ends it.
   */
  compact(options?: MetadataCompactOptions): Promise<MetadataCompactReport>;
  /** The newest operation up to a moment (milliseconds since 1970): the horizon, or less, where that one is forgotten. */
  sequenceAt(time: number, options?: CallOptions): Promise<number>;
  /**
   * Operations behind `after`, in order, without gaps: one that is not committed yet holds back those behind it, or gets a later number.
   * NOT_FOUND (details: after, horizon) where some of them are forgotten, or are while they are read.
   */
  operations(after: number, options?: CallOptions): AsyncIterable<OperationRecord>;
  counts(options?: CallOptions): Promise<MetadataCounts>;
  /** What can be said of the sound state of the database by itself: rows that others miss. One text a problem. */
  check(options?: CallOptions): Promise<string[]>;

  /** Waits for running calls; idempotent. */
  close(): Promise<void>;
}

import type {
  CallOptions,
  CompactOptions,
  CompactReport,
  Durability,
  Logger,
  RepairOptions,
  RepairReport,
  VerifyOptions,
  VerifyProblem,
  VerifyReport,
} from "./api.ts";
import type { Key } from "./key.ts";

/** The types that users of the key-value engine meet. */

export interface EngineOptions {
  durability?: Durability;
  readOnly?: boolean;
  create?: boolean;
  minFreeSpace?: number;
  lockWaitMax?: number;
  clock?: () => Date;
  logger?: Logger;
  allow?: ("network-file-system" | "pid-namespaces")[];
}

export interface PutOptions extends CallOptions {
  /** Put only if the key is absent; else CONFLICT. */
  ifAbsent?: boolean;
  /** Put only if the key was last put by this operation; else CONFLICT. */
  ifSequence?: number;
}

export type Operation =
  | { type: "put"; key: Key; value: unknown; ifAbsent?: boolean; ifSequence?: number }
  | { type: "del"; key: Key };

export interface RangeOptions extends CallOptions {
  gt?: Key;
  gte?: Key;
  lt?: Key;
  lte?: Key;
  /** Strings and bytes that begin so, or arrays whose first elements are these. Not together with bounds. */
  prefix?: string | Uint8Array | readonly (string | number)[];
  reverse?: boolean;
  limit?: number;
  /** False leaves the values undefined and unread. */
  values?: boolean;
}

/** Everything as it was at one sequence; close it soon, since the index can't reuse what it needs. */
export interface Snapshot extends AsyncDisposable {
  readonly sequence: number;
  get<T = unknown>(key: Key, options?: CallOptions): Promise<T | undefined>;
  has(key: Key, options?: CallOptions): Promise<boolean>;
  range(options?: RangeOptions): AsyncIterable<[Key, unknown]>;
  close(): Promise<void>;
}

export interface EngineStats {
  keys: number;
  sequence: number;
  blobs: number;
  blobBytes: number;
  segments: number;
  logBytes: number;
  indexBytes: number;
}

export type EngineVerifyOptions = Pick<
  VerifyOptions,
  "full" | "timeBudget" | "after" | "signal" | "onProgress"
>;

export interface EngineVerifyProblem extends Omit<VerifyProblem, "refs"> {
  /** What can't be read because of it, as far as known. */
  key?: Key;
}

export interface EngineVerifyReport extends Omit<VerifyReport, "problems"> {
  problems: EngineVerifyProblem[];
}

export interface EngineRepairOptions extends Pick<RepairOptions, "dryRun" | "signal" | "onProgress"> {
  /** Folders of backups of this engine, or of other engines: as `RepairOptions.from`. */
  from?: string | readonly string[];
}

export interface EngineRepairReport extends Omit<RepairReport, "repaired" | "notRepaired"> {
  repaired: EngineVerifyProblem[];
  notRepaired: (EngineVerifyProblem & { reason: string })[];
}

export type EngineCompactOptions = CompactOptions;
export type EngineCompactReport = CompactReport;

/** An ordered key-value store with the durability, recovery and multi-process rules of the artifact store. */
export interface Engine extends AsyncDisposable {
  get<T = unknown>(key: Key, options?: CallOptions): Promise<T | undefined>;
  getMany(keys: readonly Key[], options?: CallOptions): Promise<unknown[]>;
  has(key: Key, options?: CallOptions): Promise<boolean>;
  /** @throws CONFLICT when `ifAbsent` or `ifSequence` does not hold, UNSUPPORTED_VALUE for what can't be kept. */
  put(key: Key, value: unknown, options?: PutOptions): Promise<{ sequence: number }>;
  /** Whether the key was there. */
  del(key: Key, options?: CallOptions): Promise<boolean>;
  /** All or none, under one sequence number, in order. */
  batch(operations: readonly Operation[], options?: CallOptions): Promise<{ sequence: number }>;
  range(options?: RangeOptions): AsyncIterable<[Key, unknown]>;
  snapshot(): Snapshot;
  verify(options?: EngineVerifyOptions): Promise<EngineVerifyReport>;
  /** Gives the space of values that no key has any more back; with `historyBefore`, of what keys were before, too. */
  compact(options?: EngineCompactOptions): Promise<EngineCompactReport>;
  repair(options?: EngineRepairOptions): Promise<EngineRepairReport>;
  stats(options?: CallOptions): Promise<EngineStats>;
  rebuildIndex(): Promise<void>;
  close(): Promise<void>;
}

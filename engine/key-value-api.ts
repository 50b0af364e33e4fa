import type { CallOptions, Durability, Logger } from "./api.ts";
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

export interface EngineVerifyReport {
  ok: boolean;
  segments: number;
  batches: number;
  records: number;
  problems: { kind: string; message: string; segment?: number; offset?: number; key?: Key }[];
}

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
  verify(options?: CallOptions & { full?: boolean }): Promise<EngineVerifyReport>;
  stats(options?: CallOptions): Promise<EngineStats>;
  rebuildIndex(): Promise<void>;
  close(): Promise<void>;
}

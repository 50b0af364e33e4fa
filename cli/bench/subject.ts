/** What is compared: a store, driven the way its own documentation advises, with the same values. */

import type { Entry } from "./values.ts";

/** A store that is open in a folder. A call that is not asynchronous gives its result as it is, so that nobody pays for a promise. */
export interface OpenSubject {
  /** Done when it is as durable as `Subject.durability` says. */
  save(name: string, value: unknown): unknown;
  load(name: string): unknown;
  /** Whether there is something under the name. */
  has(name: string): unknown;
  /** Saves of callers that know nothing of each other, where the store has a better way than as many calls of `save`. */
  saveTogether?(entries: readonly Entry[]): unknown;
  /** All or none. */
  saveBatch?(entries: readonly Entry[]): unknown;
  /** Fills the store for a measurement of reads, however it is fastest; not measured. */
  fill(entries: readonly Entry[]): unknown;
  /** As `fill`, each entry under one of some tags. */
  fillTagged?(entries: readonly Entry[], tagOf: (entry: Entry) => string): unknown;
  /** Goes through all names, and gives how many there are. */
  list(): Promise<number> | number;
  /** Goes through the names that begin so. */
  listPrefix?(prefix: string): Promise<number> | number;
  /** Goes through the names with the tag. */
  listTag?(tag: string): Promise<number> | number;
  /** Goes through everything that was ever saved under the name. */
  listVersions?(name: string): Promise<number> | number;
  /** As durable as a save. */
  remove?(name: string): unknown;
  /** As `saveTogether`. */
  removeTogether?(names: readonly string[]): unknown;
  /** Gives the space of what was removed back to the file system. */
  compact?(): unknown;
  /** What it takes on the disk. */
  sizes?(): Promise<StoreSizes>;
  /** Makes the index again from the data. */
  rebuild?(): Promise<void>;
  close(): Promise<void>;
}

/** Bytes. */
export interface StoreSizes {
  log: number;
  /** Of the log, the values alone. */
  values: number;
  index: number;
}

export type WorkloadName =
  | "load"
  | "load-random"
  | "miss"
  | "save"
  | "save-one"
  | "save-existing"
  | "save-full"
  | "batch"
  | "mixed"
  | "list"
  | "list-prefix"
  | "list-tag"
  | "versions"
  | "load-version"
  | "delete"
  | "compact"
  | "open"
  | "open-killed"
  | "rebuild"
  | "readers-2"
  | "readers-4"
  | "readers-beside-writer"
  | "writer-beside-readers"
  | "writers-2"
  | "put-large"
  | "get-large"
  | "process-get"
  | "process-node";

/** Loads a package by name; rejects with `MissingPackage`. */
export type PackageLoader = (name: string) => Promise<unknown>;

export interface Subject {
  readonly name: string;
  readonly does: string;
  /** Packages that it needs besides varve's own dependencies. */
  readonly packages: readonly string[];
  /** What a save has reached when it is done, in words. */
  readonly durability: string;
  /** How a workload differs from what varve does there, in words. */
  readonly differs: Partial<Record<WorkloadName, string>>;
  /** Why a workload is not measured, in words. */
  readonly unsupported: Partial<Record<WorkloadName, string>>;
  /** Where it is no store, but what some workloads are measured against: these. */
  readonly only?: readonly WorkloadName[];
  open(folder: string, loadPackage: PackageLoader): Promise<OpenSubject>;
}

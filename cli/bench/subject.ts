/** What is compared: a store, driven the way its own documentation advises, with the same values. */

import type { Entry } from "./values.ts";

/** A store that is open in a folder. A call that is not asynchronous gives its result as it is, so that nobody pays for a promise. */
export interface OpenSubject {
  /** Done when it is as durable as `Subject.durability` says. */
  save(name: string, value: unknown): unknown;
  load(name: string): unknown;
  /** Saves of callers that know nothing of each other, where the store has a better way than as many calls of `save`. */
  saveTogether?(entries: readonly Entry[]): unknown;
  /** All or none. */
  saveBatch?(entries: readonly Entry[]): unknown;
  /** Fills the store for a measurement of reads, however it is fastest; not measured. */
  fill(entries: readonly Entry[]): unknown;
  /** Goes through all names, and gives how many there are. */
  list?(): Promise<number> | number;
  /** Makes the index again from the data. */
  rebuild?(): Promise<void>;
  close(): Promise<void>;
}

export type WorkloadName =
  | "load"
  | "load-random"
  | "save"
  | "save-one"
  | "save-existing"
  | "batch"
  | "list"
  | "open"
  | "open-killed"
  | "rebuild";

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
  open(folder: string, loadPackage: PackageLoader): Promise<OpenSubject>;
}

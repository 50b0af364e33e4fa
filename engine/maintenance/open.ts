import { randomBytes } from "node:crypto";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { VarveError } from "../errors.ts";
import { Catalog } from "../index/catalog.ts";
import type { LockEnvironment, SharedState } from "../index/lock.ts";
import { NOTHING_NOTED } from "../index/lock.ts";
import { isTrusted, knownDurable, markUnclean } from "../index/mark.ts";
import type { FileSystem } from "../log/file.ts";
import { LogReader } from "../log/reader.ts";
import type { LogProblem } from "../log/scan.ts";
import type { LogIdentity, LogPosition } from "../log/segment.ts";
import {
  createSegment,
  LOG_START,
  listSegments,
  readSegmentHeader,
  removeUnfinishedSegments,
  segmentPath,
} from "../log/segment.ts";
import { replay } from "./replay.ts";
import { writeAgain } from "./write-again.ts";

export interface Home {
  files: FileSystem;
  /** The folder that holds `log`, `lock` and `index-<generation>`. */
  folder: string;
  application: string;
  now(): number;
  onProblem(problem: LogProblem): void;
  /** Leaving in order failed; the store opens all the same, with more to do. */
  onCloseFailure(error: unknown): void;
}

export interface OpenedIndex {
  catalog: Catalog;
  state: SharedState;
}

export const logFolder = (home: string): string => join(home, "log");
export const indexFolder = (home: string, generation: number): string => join(home, `index-${generation}`);

/**
 * Under the lock: the state of the store and an index that can be trusted. After a kill both are there and this takes
 * no time; after an unclean reboot, or for a copied home, they are made again from the log.
 */
export function openIndex(home: Home, lock: LockEnvironment): OpenedIndex {
  const known = lock.state();
  if (known) checkApplication(known.identity, home.application, home.folder);
  const opened = known ? reopen(home, lock, known) : derive(home);
  lock.setState(opened.state);
  if (!known) lock.removeOthers(home.folder);
  return opened;
}

/** Makes the index of the next generation from the whole log and removes the others. */
export function rebuild(home: Home, state: SharedState): OpenedIndex {
  const generation = Math.max(0, ...listGenerations(home.folder)) + 1;
  const folder = indexFolder(home.folder, generation);
  rmSync(folder, { recursive: true, force: true });
  const catalog = new Catalog(folder);
  const until = state.cutAtTail ? state.tail : undefined;
  const tail = replayLog(home, state.identity, catalog, LOG_START, state.durableSequence, until);
  markUnclean(folder);
  removeGenerationsBut(home.folder, generation);
  return { catalog, state: { ...state, tail: later(state.tail, tail), generation, indexUnclean: true } };
}

/** Undefined when the generation was replaced in the meantime: LMDB would make an empty one in its place. */
export function openGeneration(home: Home, generation: number): Catalog | undefined {
  const folder = indexFolder(home.folder, generation);
  if (!home.files.exists(join(folder, "data.mdb"))) return undefined;
  const catalog = new Catalog(folder);
  if (isTrusted(folder)) return catalog;
  void catalog.release();
  return undefined;
}

/** In a boot that knows the store already. */
function reopen(home: Home, lock: LockEnvironment, state: SharedState): OpenedIndex {
  if (state.syncFailed && lock.others() === 0)
    return rebuild(home, writeAgain(home.files, logFolder(home.folder), state, home.now()));
  const folder = indexFolder(home.folder, state.generation);
  if (!isTrusted(folder)) return rebuild(home, state);
  const catalog = new Catalog(folder);
  if (catalog.applied() !== undefined) return { catalog, state };
  void catalog.release();
  return rebuild(home, state);
}

function derive(home: Home): OpenedIndex {
  removeUnfinishedSegments(home.files, logFolder(home.folder));
  const identity = findIdentity(home);
  const state: SharedState = {
    identity,
    tail: LOG_START,
    durableSequence: Math.max(
      0,
      ...listGenerations(home.folder).map((n) => knownDurable(indexFolder(home.folder, n))),
    ),
    generation: 0,
    indexUnclean: true,
    ...NOTHING_NOTED,
  };
  const opened = reuseIndex(home, state) ?? rebuild(home, state);
  syncTail(home, opened.state.tail);
  opened.state.durableSequence = opened.state.tail.sequence;
  return opened;
}

/** The newest index that was closed in order, brought up to the end of the log. */
function reuseIndex(home: Home, state: SharedState): OpenedIndex | undefined {
  const generation = Math.max(
    0,
    ...listGenerations(home.folder).filter((n) => isTrusted(indexFolder(home.folder, n))),
  );
  if (generation === 0) return undefined;
  const folder = indexFolder(home.folder, generation);
  const catalog = new Catalog(folder);
  const applied = catalog.applied();
  if (applied === undefined || !reaches(home, applied)) {
    void catalog.release();
    return undefined;
  }
  const behind = goesOn(home, applied);
  if (behind) markUnclean(folder);
  const tail = behind ? replayLog(home, state.identity, catalog, applied, state.durableSequence) : applied;
  return { catalog, state: { ...state, tail, generation, indexUnclean: behind } };
}

/** Whether the log has everything that an index says it holds; a log put back from an older copy has not. */
function reaches(home: Home, position: LogPosition): boolean {
  return position.segment > 0 && sizeOf(home, position.segment) >= position.offset;
}

function goesOn(home: Home, position: LogPosition): boolean {
  const newest = listSegments(home.files, logFolder(home.folder)).at(-1) ?? 0;
  return newest > position.segment || sizeOf(home, position.segment) > position.offset;
}

function sizeOf(home: Home, segment: number): number {
  return home.files.sizeOf(segmentPath(logFolder(home.folder), segment));
}

function replayLog(
  home: Home,
  identity: LogIdentity,
  catalog: Catalog,
  from: LogPosition,
  durable: number,
  until?: LogPosition,
): LogPosition {
  const folder = logFolder(home.folder);
  const reader = new LogReader(home.files, folder, identity);
  try {
    const options = { durableSequence: durable, ...(until && { until }) };
    const { position, problems } = replay(reader, listSegments(home.files, folder), catalog, from, options);
    for (const problem of problems) home.onProblem(problem);
    return position;
  } finally {
    reader.close();
  }
}

/** Who the log belongs to: what its first readable segment says, or a new identity, with the first segment. */
function findIdentity(home: Home): LogIdentity {
  const folder = logFolder(home.folder);
  return readIdentity(home) ?? createLog(home, folder);
}

/** Undefined when there is no log yet. */
export function readIdentity(home: Home): LogIdentity | undefined {
  const folder = logFolder(home.folder);
  const numbers = listSegments(home.files, folder);
  if (numbers.length === 0) return undefined;
  let failure: unknown;
  for (const number of numbers) {
    const path = segmentPath(folder, number);
    const file = home.files.open(path, "read");
    try {
      const { storeId, application } = readSegmentHeader(file, path, number);
      checkApplication({ storeId, application }, home.application, home.folder);
      return { storeId, application };
    } catch (error) {
      if (!(error instanceof VarveError) || error.code !== "CORRUPTION") throw error;
      failure ??= error;
    } finally {
      file.close();
    }
  }
  throw failure;
}

function createLog(home: Home, folder: string): LogIdentity {
  const identity = { storeId: randomBytes(16).toString("hex"), application: home.application };
  createSegment(home.files, folder, 1, LOG_START, identity, home.now());
  return identity;
}

/** @throws INVALID_ARGUMENT for a log that keeps something else */
export function checkApplication(identity: LogIdentity, wanted: string, folder: string): void {
  if (identity.application === wanted) return;
  const kind = (name: string) => (name === "artifact" ? "an artifact store" : "a key-value engine");
  throw new VarveError(
    "INVALID_ARGUMENT",
    `${folder} is ${kind(identity.application)}, not ${kind(wanted)}`,
    {
      hint: `open it with ${identity.application === "artifact" ? "openStore" : "openEngine"}, or choose another folder`,
    },
  );
}

function syncTail(home: Home, tail: LogPosition): void {
  const path = segmentPath(logFolder(home.folder), tail.segment);
  if (!home.files.exists(path)) return;
  const file = home.files.open(path, "read");
  try {
    file.sync();
  } finally {
    file.close();
  }
}

function later(a: LogPosition, b: LogPosition): LogPosition {
  return b.sequence >= a.sequence ? b : a;
}

function listGenerations(folder: string): number[] {
  return readdirSync(folder)
    .flatMap((name) => /^index-(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number);
}

function removeGenerationsBut(folder: string, kept: number): void {
  for (const generation of listGenerations(folder)) {
    if (generation === kept) continue;
    try {
      rmSync(indexFolder(folder, generation), { recursive: true, force: true });
    } catch {
      // Somebody is opening it at this moment; what is left goes with the next one.
    }
  }
}

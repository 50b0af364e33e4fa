import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Catalog } from "../index/catalog.ts";
import type { LockEnvironment } from "../index/lock.ts";
import { cleanPosition, markUnclean } from "../index/mark.ts";
import type { RawEntry } from "../index/raw-entry.ts";
import { BLOB_SPACE } from "../index/rows.ts";
import type { SharedState } from "../index/shared-state.ts";
import { NOTHING_NOTED } from "../index/shared-state.ts";
import { LogReader } from "../log/reader.ts";
import { standingFor } from "../log/scan.ts";
import type { LogIdentity, LogPosition } from "../log/segment.ts";
import {
  fromSegmentFailure,
  LOG_START,
  listSegments,
  removeUnfinishedSegments,
  segmentPath,
} from "../log/segment.ts";
import { adoptLeft } from "./adopt.ts";
import { loadIndex } from "./bulk/load.ts";
import { cleanPositions, knownDurable, openGeneration } from "./generation.ts";
import type { Home } from "./home.ts";
import { indexFolder, logFolder, nextGeneration, removeGenerationsBut } from "./home.ts";
import { checkApplication, findIdentity } from "./identity.ts";
import { endAfterLoss } from "./missing-end.ts";
import { replay } from "./replay.ts";
import { lossOf, writeAgain } from "./write-again.ts";

/** Enough to make a commit cheap, few enough to bound what it holds. */
const ROWS_PER_TRANSACTION = 20_000;
/** Before it stands what an index says of itself. */
const ROWS_START = Buffer.from([BLOB_SPACE]);

export interface OpenedIndex {
  catalog: Catalog;
  state: SharedState;
}

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
  const generation = nextGeneration(home.folder);
  const folder = indexFolder(home.folder, generation);
  const catalog = new Catalog(folder, home.closing);
  const until = state.cutAtTail ? state.tail : undefined;
  const known = Math.max(state.durableSequence, state.tail.sequence);
  const { end, tail } = making(catalog, folder, () => {
    catalog.begin(state.identity.storeId);
    const end = replayLog(home, state.identity, catalog, LOG_START, known, until, folder);
    return { end, tail: endAfterLoss(home, catalog, end, known) };
  });
  removeGenerationsBut(home.folder, [generation]);
  const cutAtTail = state.cutAtTail || tail !== end;
  return { catalog, state: { ...state, tail, cutAtTail, ...newGeneration(generation) } };
}

/** Lets go of the catalog when `action` fails. */
function releasing<T>(catalog: Catalog, action: () => T): T {
  try {
    return action();
  } catch (error) {
    void catalog.release();
    throw error;
  }
}

/**
 * As `releasing`, for a new index: what is half made takes no room. Its folder stays, so that its number is not given
 * again.
 */
function making<T>(catalog: Catalog, folder: string, action: () => T): T {
  try {
    return releasing(catalog, () => {
      const made = action();
      markUnclean(folder);
      return made;
    });
  } catch (error) {
    for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true, force: true });
    throw error;
  }
}

/** What the shared state says of an index that was made just now. */
function newGeneration(generation: number) {
  return { generation, indexUnclean: true, indexSuspect: false, checkpointSequence: 0 };
}

/** Under the lock: puts the rows of an index into a new generation, without the free pages that it has gathered. */
export function shrink(home: Home, state: SharedState, grown: Catalog): OpenedIndex {
  const generation = nextGeneration(home.folder);
  const folder = indexFolder(home.folder, generation);
  const catalog = new Catalog(folder, home.closing);
  making(catalog, folder, () => {
    catalog.begin(state.identity.storeId);
    grown.putOwnInto(catalog);
    putRows(grown, catalog);
  });
  removeGenerationsBut(home.folder, [generation]);
  return { catalog, state: { ...state, ...newGeneration(generation) } };
}

function putRows(from: Catalog, into: Catalog): void {
  let rows: { key: Buffer; value: Buffer }[] = [];
  const take = (entry: RawEntry) => void rows.push({ key: entry.key(), value: entry.copyOfValue() });
  for (let last: Buffer | undefined = ROWS_START; last; ) {
    rows = [];
    last = from.visit(
      { start: last, exclusiveStart: last !== ROWS_START, limit: ROWS_PER_TRANSACTION },
      take,
    );
    into.transact(() => {
      for (const { key, value } of rows) into.append(key, value);
    });
  }
}

/** In a boot that knows the store already. */
function reopen(home: Home, lock: LockEnvironment, state: SharedState): OpenedIndex {
  if (state.syncFailed && lock.others() === 0) {
    const settled = settleFailedSync(home, state);
    if (settled) return settled;
  }
  if (state.indexSuspect) return rebuild(home, state);
  const left = lock.others() === 0 && state.indexUnclean;
  const catalog = openGeneration(home, state.generation, state.identity, left);
  if (!catalog) return rebuild(home, state);
  // The last one to leave may have died between the mark and the state: nobody else takes the mark away.
  const folder = indexFolder(home.folder, state.generation);
  if (state.indexUnclean && cleanPosition(folder)) markUnclean(folder);
  const applied = catalog.applied()!;
  if (applied.sequence < state.tail.sequence) {
    const { identity, durableSequence, tail } = state;
    releasing(catalog, () => replayLog(home, identity, catalog, applied, durableSequence, tail));
  }
  return { catalog, state: releasing(catalog, () => adoptLeft(home, catalog, state)) };
}

/** Undefined when the disk still fails: then the store can be read, and nothing be written. */
function settleFailedSync(home: Home, state: SharedState): OpenedIndex | undefined {
  try {
    const written = writeAgain(home.files, logFolder(home.folder), state, home.now());
    const loss = lossOf(written, state.tail.sequence);
    if (loss) home.onProblem(loss);
    return rebuild(home, { ...written.state, losses: state.losses + (loss ? 1 : 0) });
  } catch (error) {
    home.onTrouble("what a failed sync left in doubt could not be written again", error);
    return undefined;
  }
}

function derive(home: Home): OpenedIndex {
  removeUnfinishedSegments(home.files, logFolder(home.folder));
  const identity = findIdentity(home);
  const state: SharedState = {
    identity,
    tail: LOG_START,
    durableSequence: knownDurable(home),
    generation: 0,
    indexUnclean: true,
    ...NOTHING_NOTED,
  };
  const opened = reuseIndex(home, state) ?? rebuild(home, state);
  releasing(opened.catalog, () => syncLog(home, identity));
  opened.state.durableSequence = opened.state.tail.sequence;
  return opened;
}

/**
 * The newest index that was put on the disk, brought up to the end of the log. One that is not clean may be in use by
 * processes whose lock was removed under them: it is never opened beside them.
 */
function reuseIndex(home: Home, state: SharedState): OpenedIndex | undefined {
  const clean = cleanPositions(home);
  const ids = listSegments(home.files, logFolder(home.folder), state.identity);
  for (const { generation } of clean) {
    const catalog = openGeneration(home, generation, state.identity, true);
    if (!catalog) continue;
    const applied = catalog.applied()!;
    if (!reaches(home, state.identity, ids, applied)) {
      void catalog.release();
      continue;
    }
    const others = clean.filter((other) => other.generation !== generation);
    const checkpointSequence = others[0]?.position.sequence ?? 0;
    const behind = goesOn(home, ids, applied) || applied.sequence < state.durableSequence;
    if (behind) markUnclean(indexFolder(home.folder, generation));
    const { end, tail } = releasing(catalog, () => {
      const { durableSequence } = state;
      const end = behind ? replayLog(home, state.identity, catalog, applied, durableSequence) : applied;
      return { end, tail: endAfterLoss(home, catalog, end, durableSequence) };
    });
    const cutAtTail = tail !== end;
    return {
      catalog,
      state: { ...state, tail, cutAtTail, generation, checkpointSequence, indexUnclean: behind },
    };
  }
  return undefined;
}

/** Whether the log has everything that an index says it holds; a log put back from an older copy has not. */
function reaches(home: Home, identity: LogIdentity, ids: readonly number[], position: LogPosition): boolean {
  if (position.segment === 0) return false;
  const reader = new LogReader(home.files, logFolder(home.folder), identity);
  try {
    // It may have been rewritten since, up to the last batch of it.
    if (!ids.includes(position.segment)) return standsBehind(reader, ids, position);
    if (sizeOf(home, position.segment) < position.offset) return false;
    // After a failed sync the segment may have been cut before the position, and gone on elsewhere.
    const next = ids.find((each) => each > position.segment);
    const header = next === undefined ? undefined : reader.segment(next).header;
    return header?.previousNumber !== position.segment || header.previousEnd >= position.offset;
  } catch {
    return true;
  } finally {
    reader.close();
  }
}

/** Whether a rewritten segment stands for that of a position, with all that came before it. */
function standsBehind(reader: LogReader, ids: readonly number[], position: LogPosition): boolean {
  const rewritten = standingFor(reader, ids, position.segment)?.header.rewritten;
  return rewritten !== undefined && rewritten.endSequence >= position.sequence;
}

function goesOn(home: Home, ids: readonly number[], position: LogPosition): boolean {
  const newest = ids.at(-1) ?? 0;
  return newest > position.segment || sizeOf(home, position.segment) > position.offset;
}

function sizeOf(home: Home, segment: number): number {
  return home.files.sizeOf(segmentPath(logFolder(home.folder), segment));
}

/** @param scratchFolder for an index that has no rows yet, which is made faster as a whole */
function replayLog(
  home: Home,
  identity: LogIdentity,
  catalog: Catalog,
  from: LogPosition,
  durable: number,
  until?: LogPosition,
  scratchFolder?: string,
): LogPosition {
  const folder = logFolder(home.folder);
  const reader = new LogReader(home.files, folder, identity);
  try {
    const options = { durableSequence: durable, ...(until && { until }) };
    const numbers = listSegments(home.files, folder, identity);
    const { position, problems } =
      scratchFolder === undefined
        ? replay(reader, numbers, catalog, from, options)
        : loadIndex(reader, numbers, catalog, { ...options, scratchFolder });
    for (const problem of problems) if (problem.kind !== "missing") home.onProblem(problem);
    return position;
  } finally {
    reader.close();
  }
}

/** All of the log, with its names: the home may have been copied just now, or its maker have died before it synced. */
function syncLog({ files, folder: home }: Home, identity: LogIdentity): void {
  const folder = logFolder(home);
  for (const number of listSegments(files, folder, identity)) {
    const path = segmentPath(folder, number);
    try {
      const file = files.open(path, "read");
      try {
        file.sync();
      } finally {
        file.close();
      }
    } catch (error) {
      if (fromSegmentFailure(error, path, number).code !== "CORRUPTION") throw error;
    }
  }
  files.syncFolder(folder);
  files.syncFolder(home);
}

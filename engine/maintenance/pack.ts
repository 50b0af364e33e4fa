import { Catalog } from "../index/catalog.ts";
import { indexDamage } from "../index/damage.ts";
import type { EnvironmentRange, EnvironmentSnapshot } from "../index/lmdb.ts";
import { markUnclean } from "../index/mark.ts";
import { PackedSize } from "../index/packed-size.ts";
import { BLOB_SPACE, isRowSound } from "../index/rows.ts";
import type { SharedState } from "../index/shared-state.ts";
import { LogReader } from "../log/reader.ts";
import type { LogProblem } from "../log/scan.ts";
import { scanLog } from "../log/scan.ts";
import type { LogPosition } from "../log/segment.ts";
import { LOG_START, listSegments } from "../log/segment.ts";
import { dropGeneration, reserveGeneration } from "./checkpoint.ts";
import { cleanPositions } from "./generation.ts";
import type { Home } from "./home.ts";
import { discardGenerationsBut, indexFolder, logFolder } from "./home.ts";
import type { OpenedIndex } from "./open.ts";
import type { Pace } from "./pace.ts";
import { applyBatch } from "./replay.ts";
import { eachSlice, retaining } from "./slices.ts";

/**
 * Rows come into the index in any order, which leaves its pages half to two thirds full. Packed, it is another generation
 * into which they are put in the order of their keys, while everybody reads and writes the one in use: all rows of a
 * snapshot of that, then what of the log came since, until so little is left that it can be done under the lock.
 *
 * What changes rows and is not in the log is this: compaction moves records and condemns blobs, so packing is a part of it,
 * under its lease; batches are written again after a failed sync, and repair replaces files, both of which raise the epoch
 * of the log; gaps are taken over in the end. Whatever is not as it was in the beginning, or not to be read, makes what was
 * done void. A process that is killed in here leaves a generation without a trust mark.
 */

/** A smaller index is not worth the work. */
const BYTES_MIN = 256 * 1024;
/** Of the file, at least this part is to come free. */
const SPARED_PART = 0.2;
const RECORDS_PER_SLICE = 128;
/** Where no more than this was to be brought up, the rest is brought up under the lock: about ten milliseconds. */
const FEW_RECORDS = 512;
/** Others write as fast as that can be put into the index, when so many rounds had not less to do than one before: it is given up. */
const ROUNDS_IN_VAIN = 3;

const ROWS: EnvironmentRange = { start: Buffer.from([BLOB_SPACE]) };

/** Runs a step under the lock, while the lease of the compactor is held. */
export type Hold = <T>(action: (state: SharedState) => T) => Promise<T>;

export interface PackOptions {
  hold: Hold;
  pace: Pace;
  /** The part of the file that is to come free at least, if it is to be done at all. */
  sparedPart?: number | undefined;
  /** A smaller file is not worth the work. */
  bytesMin?: number | undefined;
  /** So many bytes of the disk are nobody's but the writers'. */
  keptFree?: number | undefined;
}

export interface PackParts extends PackOptions {
  home: Home;
  /** Of the generation in use. */
  catalog(): Catalog;
  /** Under the lock: the generation in use is another one from now on. */
  goTo(opened: OpenedIndex): void;
}

/** When it is done by itself: see `idle-packing.ts`. */
export interface IdlePackingSettings {
  /** Milliseconds between two looks: where nobody has written from one to the next, it is begun. */
  look: number;
  /** A smaller file of the index is not worth the work. */
  bytesMin: number;
  /** The index has so many times the rows that it had when it was last packed. */
  growth: number;
  /** The part of the file that is to come free at least. */
  sparedPart: number;
}

export const IDLE_PACKING: IdlePackingSettings = {
  look: 5_000,
  bytesMin: 4 * 1024 * 1024,
  growth: 1.5,
  sparedPart: SPARED_PART,
};

/** Where it comes to nothing, the index in use stays as it is. */
export async function packIndex(parts: PackParts): Promise<void> {
  if (!(await isWorth(parts))) return;
  const packing = await parts.hold((state) => new Packing(parts, state));
  try {
    await packing.copy();
    if (!(await packing.comeNear())) return;
    if (!(await parts.hold((state) => packing.finish(state)))) return;
  } finally {
    await packing.end();
  }
  const { discarded } = await parts.hold((state) => {
    const checkpoint = packing.checkpoint(state)?.generation ?? state.generation;
    return { discarded: discardGenerationsBut(parts.home.folder, [state.generation, checkpoint]) };
  });
  await discarded;
}

async function isWorth({ home, catalog, pace, ...options }: PackParts): Promise<boolean> {
  const { sparedPart = SPARED_PART, bytesMin = BYTES_MIN, keptFree = 0 } = options;
  const index = catalog();
  const { fileBytes, pageBytes } = index.size();
  if (fileBytes < bytesMin) return false;
  const size = new PackedSize(pageBytes);
  await retaining(index, () => eachSlice(index, pace, ROWS, (entry) => size.add(entry)));
  return (
    size.bytes <= fileBytes * (1 - sparedPart) &&
    home.files.freeBytes(home.folder) > 2 * size.bytes + keptFree
  );
}

class Packing {
  readonly #parts: PackParts;
  /** As it was in the beginning: what all of it rests on. */
  readonly #ground: SharedState;
  readonly #old: Catalog;
  #snapshot: EnvironmentSnapshot | undefined;
  readonly #generation: number;
  readonly #packed: Catalog;
  #isUsed = false;
  /** How far of the log is in it. */
  #position: LogPosition;
  /** Brought up in this round. */
  #records = 0;
  readonly #problems: LogProblem[] = [];

  /** Under the lock. */
  constructor(parts: PackParts, state: SharedState) {
    this.#parts = parts;
    this.#ground = state;
    this.#old = parts.catalog();
    this.#old.refresh();
    this.#position = this.#old.applied() ?? LOG_START;
    this.#generation = reserveGeneration(parts.home);
    try {
      this.#packed = new Catalog(this.#folder, parts.home.closing);
      this.#packed.begin(state.identity.storeId);
    } catch (error) {
      dropGeneration(parts.home, this.#generation);
      throw error;
    }
    this.#old.retain();
    this.#snapshot = this.#old.snapshot();
  }

  get #folder(): string {
    return indexFolder(this.#parts.home.folder, this.#generation);
  }

  /** All rows of the snapshot. */
  async copy(): Promise<void> {
    let rows: { key: Buffer; value: Buffer }[] = [];
    await eachSlice(
      this.#old,
      this.#parts.pace,
      { ...ROWS, snapshot: this.#snapshot! },
      (entry) => rows.push({ key: entry.key(), value: entry.copyOfValue() }),
      () => {
        this.#append(rows);
        rows = [];
        return undefined;
      },
    );
    this.#letGo();
  }

  #append(rows: readonly { key: Buffer; value: Buffer }[]): void {
    this.#packed.transact(() => {
      for (const { key, value } of rows) {
        if (!isRowSound(key, value)) throw indexDamage("a row of the index is damaged");
        if (!this.#packed.append(key, value)) throw indexDamage("rows of the index are out of order");
      }
    });
  }

  /** The index in use may take the pages of the snapshot again. */
  #letGo(): void {
    this.#snapshot?.done();
    this.#snapshot = undefined;
  }

  /** Brings it up until little is left of the log. False where that can't be. */
  async comeNear(): Promise<boolean> {
    const { pace } = this.#parts;
    let left = Number.POSITIVE_INFINITY;
    for (let inVain = 0; inVain < ROUNDS_IN_VAIN; ) {
      this.#old.refresh();
      const target = this.#old.applied();
      if (!target) return false;
      this.#records = 0;
      for (const _ of this.#slicesTo(target)) if (pace.isDue()) await pace.turn();
      if (!this.#isAt(target)) return false;
      if (this.#records <= FEW_RECORDS) return true;
      if (this.#records >= left) inVain++;
      left = Math.min(left, this.#records);
    }
    return false;
  }

  #isAt({ sequence }: LogPosition): boolean {
    return this.#problems.length === 0 && this.#position.sequence === sequence;
  }

  /** Puts what of the log is missing up to `target` into it, a transaction at a time. */
  *#slicesTo(target: LogPosition): Generator<void> {
    if (this.#isAt(target)) return;
    const { files, folder } = this.#parts.home;
    const { identity } = this.#ground;
    const reader = new LogReader(files, logFolder(folder), identity);
    const ids = listSegments(files, logFolder(folder), identity);
    // All of it is in the index in use, so it is there.
    const scan = scanLog(reader, ids, this.#position, target.sequence, target, "views");
    try {
      for (let ended = false; !ended; ) {
        ended = this.#packed.transact(() => this.#applySome(scan, target));
        yield;
      }
    } finally {
      scan.return({ position: this.#position, torn: false });
      reader.close();
    }
  }

  /** Gives whether there is nothing more to do. */
  #applySome(scan: ReturnType<typeof scanLog>, target: LogPosition): boolean {
    for (const end = this.#records + RECORDS_PER_SLICE; this.#records < end; ) {
      const next = scan.next();
      if (next.done) return true;
      if ("problem" in next.value) {
        this.#problems.push(next.value.problem);
        return true;
      }
      const { batch } = next.value;
      applyBatch(this.#packed, batch, this.#problems);
      this.#position = batch.end;
      this.#records += batch.records.length;
      if (this.#position.sequence >= target.sequence) return true;
    }
    return false;
  }

  /** Under the lock: the last of it. False where it is void. */
  finish(state: SharedState): boolean {
    const { generation, logEpoch, losses } = this.#ground;
    if (state.generation !== generation || state.logEpoch !== logEpoch || state.losses !== losses)
      return false;
    if (state.syncFailed || state.indexSuspect) return false;
    this.#old.refresh();
    const target = this.#old.applied();
    if (!target) return false;
    for (const _ of this.#slicesTo(target));
    if (!this.#isAt(target)) return false;
    this.#old.putOwnInto(this.#packed);
    this.#packed.notePacked();
    markUnclean(this.#folder);
    this.#parts.goTo({ catalog: this.#packed, state: { ...state, ...this.#inUse(state) } });
    this.#isUsed = true;
    return true;
  }

  #inUse(state: SharedState): Partial<SharedState> {
    // One that is being taken is of an index that is not in use any more.
    const checkpointSequence = this.checkpoint(state)?.position.sequence ?? 0;
    return { generation: this.#generation, indexUnclean: true, checkpointSequence };
  }

  /** Under the lock: the newest checkpoint, where one counts. */
  checkpoint({ checkpointSequence }: SharedState) {
    if (checkpointSequence === 0) return undefined;
    return cleanPositions(this.#parts.home).find(({ generation }) => generation !== this.#ground.generation);
  }

  async end(): Promise<void> {
    this.#letGo();
    await this.#old.release();
    if (this.#isUsed) return;
    await this.#packed.release();
    dropGeneration(this.#parts.home, this.#generation);
  }
}

import { VarveError } from "./errors.ts";
import type { FileSystem } from "./log/file.ts";

/** How long the free space of the disk is taken to be what it was, while there is plenty. */
const FRESH_MILLISECONDS = 250;
const PLENTY_BYTES = 1024 * 1024 * 1024;
/**
 * LMDB may end the process when the disk is full in the middle of its commit, so a group is not begun without room for
 * it: pages of the index that one item may add, its bytes in the log, and something for the lock.
 */
const INDEX_BYTES_AN_ITEM = 64 * 1024;
const FLOOR_BYTES = 1024 * 1024;
const LMDB_EIO = 5;
/** Less than one write of the index may take. */
const FULL_DISK_BYTES = 4 * 1024 * 1024;

/** `minFreeSpace` may change. */
interface SpaceSettings {
  files: FileSystem;
  minFreeSpace: number;
}

/** What the disk of the store has room for. */
export class FreeSpace {
  readonly #folder: string;
  readonly #settings: SpaceSettings;
  #bytes = 0;
  #readAt = Number.NEGATIVE_INFINITY;
  /** What earlier items of the group will take. */
  #promised = 0;

  constructor(folder: string, settings: SpaceSettings) {
    this.#folder = folder;
    this.#settings = settings;
  }

  /** For a new group: how much is free now. */
  look(): void {
    this.#promised = 0;
    const now = performance.now();
    if (this.#bytes >= PLENTY_BYTES && now - this.#readAt <= FRESH_MILLISECONDS) return;
    this.#bytes = this.#settings.files.freeBytes(this.#folder);
    this.#readAt = now;
  }

  fits(items: number, bytes: number): boolean {
    return this.#bytes >= neededFor(items, bytes);
  }

  /** @throws NO_SPACE when there is no room for a group, whatever it is for */
  checkGroup(items: number, bytes: number): void {
    if (this.fits(items, bytes)) return;
    const hint = `free some space: this needs ${neededFor(items, bytes)} bytes, of which nothing was written`;
    throw noSpace(this.#bytes, hint);
  }

  /** For the next item of the group. @throws NO_SPACE when less than `minFreeSpace` would be left */
  checkReserve(bytes: number): void {
    const left = this.#bytes - this.#promised - bytes;
    const { minFreeSpace } = this.#settings;
    if (left < minFreeSpace) {
      const hint = `free some space: saves stop below ${minFreeSpace} bytes (minFreeSpace), before the disk is full`;
      throw noSpace(this.#bytes, hint);
    }
    this.#promised += bytes;
  }

  /** LMDB calls a write that found room for a part of it EIO: only a look at the disk tells. */
  explained(error: unknown): unknown {
    if ((error as { code?: unknown } | undefined)?.code !== LMDB_EIO) return error;
    const isFull = this.#settings.files.freeBytes(this.#folder) < FULL_DISK_BYTES;
    return isFull ? Object.assign(error as Error, { code: "ENOSPC" }) : error;
  }
}

function neededFor(items: number, bytes: number): number {
  return FLOOR_BYTES + items * INDEX_BYTES_AN_ITEM + bytes;
}

function noSpace(bytes: number, hint: string): VarveError {
  return new VarveError("NO_SPACE", `only ${bytes} bytes are free on the disk of the store`, { hint });
}

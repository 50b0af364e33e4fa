import type { FileSystem, LogFile } from "../../log/file.ts";
import { isSuperseded, removeIfPossible, segmentPath } from "../../log/segment.ts";
import { discardGenerationsBut } from "../home.ts";
import type { Pace } from "../pace.ts";
import type { CompactorLock, CompactParts } from "./parts.ts";

const READERS_WAIT_MILLISECONDS = 5_000;
/** Between two looks whether others have let go. */
const LOOK_MILLISECONDS = 20;

interface Retiring {
  id: number;
  /** Who reads with an older epoch may read this file. */
  epoch: number;
}

/** Old files that nothing names any more, and that others may still be reading. */
export class Retirement {
  readonly #parts: CompactParts;
  readonly #lock: CompactorLock;
  #waiting: Retiring[] = [];

  constructor(parts: CompactParts, lock: CompactorLock) {
    this.#parts = parts;
    this.#lock = lock;
  }

  get ids(): number[] {
    return this.#waiting.map(({ id }) => id);
  }

  /** From now on nobody begins to read these files: all are told that records have moved. */
  async add(ids: Iterable<number>): Promise<void> {
    const { home, lock } = this.#parts;
    const { epoch, discarded } = await this.#lock.hold((state) => {
      const catalog = this.#parts.catalog();
      const applied = catalog.applied();
      // Its own position would name a file that goes.
      if (applied?.sequence === state.tail.sequence && applied.segment !== state.tail.segment)
        catalog.transact(() => catalog.setApplied(state.tail));
      const epoch = state.logEpoch + 1;
      lock.setState({ ...state, logEpoch: epoch, checkpointSequence: 0 });
      return { epoch, discarded: discardGenerationsBut(home, [state.generation]) };
    });
    for (const id of ids) this.#waiting.push({ id, epoch });
    await discarded;
    await this.#parts.acknowledge();
  }

  /** Removes what nobody reads any more. */
  async removeSome(): Promise<void> {
    if (this.#waiting.length === 0) return;
    const { files, folder, lock } = this.#parts;
    const oldest = lock.oldestEpoch();
    const free = this.#waiting.filter(({ epoch }) => epoch <= oldest);
    if (free.length === 0) return;
    for (const each of free)
      if (await this.#remove(each.id)) this.#waiting = this.#waiting.filter((other) => other !== each);
    try {
      files.syncFolder(folder);
    } catch {
      // A name that comes back after a power cut is one that nobody needs.
    }
  }

  /**
   * Gives whether it is gone. To free what a long file took takes long, and falls to the last one who has it open: that is
   * none of those who wait for the lock, and not this thread.
   */
  async #remove(id: number): Promise<boolean> {
    const { files, folder, identity } = this.#parts;
    const path = segmentPath(folder, id);
    const file = openIfPossible(files, path);
    try {
      return await this.#lock.hold(() => {
        if (isSuperseded(files, folder, id, identity)) removeIfPossible(files, path);
        return !files.exists(path);
      });
    } finally {
      // What is gone is gone.
      await file?.closeAsync().catch(() => {});
    }
  }

  /** Waits for others, for some time. */
  async removeAll(milliseconds: number | undefined, pace: Pace): Promise<void> {
    const end = performance.now() + (milliseconds ?? READERS_WAIT_MILLISECONDS);
    for (;;) {
      await this.#parts.acknowledge();
      await this.removeSome();
      if (this.#waiting.length === 0 || performance.now() >= end) return;
      await new Promise<void>((resolve) => setTimeout(resolve, LOOK_MILLISECONDS));
      await pace.turn();
    }
  }
}

function openIfPossible(files: FileSystem, path: string): LogFile | undefined {
  try {
    return files.open(path, "read");
  } catch {
    return undefined;
  }
}

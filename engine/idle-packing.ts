import type { EngineSettings } from "./engine-settings.ts";
import { VarveError } from "./errors.ts";
import { filledPart } from "./index/filled-part.ts";
import type { LogEnd } from "./log-end.ts";
import type { LeaseUser } from "./maintenance/compact/parts.ts";
import { CompactorLock } from "./maintenance/compact/parts.ts";
import { Courtesy, forgettableLoop } from "./maintenance/courtesy.ts";
import type { IndexSource } from "./maintenance/index-source.ts";
import { Pace } from "./maintenance/pace.ts";

/** Writers are back once they have written so many batches: it gives way to them. A few it catches up with. */
const BATCHES_MAX = 64;
const WRITERS_LOOK_MILLISECONDS = 50;
/** Where it comes to nothing, by writers that came back or otherwise, it waits ever longer, up to so many looks. */
const LOOKS_MAX = 128;

export interface IdlePackingParts {
  settings: EngineSettings;
  source: IndexSource;
  end: LogEnd;
  /** Whether what this process has written waits for the disk: who waits for that goes on writing. */
  isSyncing(): boolean;
  /** As `refresh`, and over to another generation of the index where that is in use. */
  follow(): Promise<void>;
  lockedState: LeaseUser["lockedState"];
}

/**
 * Packs the index as a compaction does (see `pack.ts`) once nobody has written for some seconds, in a process that has. A failure
 * is told to the logger, and forgotten until that process has written again. It is ended by writers, by who compacts, here or
 * elsewhere, and by closing.
 */
export class IdlePacking {
  readonly #parts: IdlePackingParts;
  readonly #timer: NodeJS.Timeout | undefined;
  /** The end of the log at the last look, and how many looks it has been so. */
  #seen = 0;
  #looks = 0;
  #looksNeeded = 1;
  /** Of what this process has written, the last batch that was behind it when it was last begun. */
  #begunBehind = 0;
  #ending = new AbortController();
  #running: Promise<void> | undefined;

  constructor(parts: IdlePackingParts) {
    this.#parts = parts;
    if (!parts.source.lock) return;
    this.#timer = setInterval(() => this.#look(), parts.settings.packing.look);
    this.#timer.unref();
  }

  /** Ends what is under way, which leaves nothing. */
  async giveWay(): Promise<void> {
    this.#ending.abort();
    if (!this.#running) return;
    // It keeps no process running, but who waits for it does.
    const waiting = setInterval(() => {}, WRITERS_LOOK_MILLISECONDS);
    await this.#running;
    clearInterval(waiting);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.giveWay();
  }

  #look(): void {
    const { written } = this.#parts.end;
    if (this.#running || written === this.#begunBehind) return;
    const sequence = this.#sequence();
    if (sequence === undefined) return;
    const isQuiet = sequence === this.#seen && !this.#parts.isSyncing();
    this.#seen = sequence;
    this.#looks = isQuiet ? this.#looks + 1 : 0;
    if (this.#looks < this.#looksNeeded) return;
    this.#looks = 0;
    this.#begunBehind = written;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Of the end of the log. Undefined where it can't be read, of which whoever reads or writes next will tell. */
  #sequence(): number | undefined {
    try {
      return this.#parts.source.sharedState().tail.sequence;
    } catch {
      return undefined;
    }
  }

  async #run(): Promise<void> {
    const ending = new AbortController();
    this.#ending = ending;
    const begun = this.#seen;
    const watching = setInterval(() => {
      const sequence = this.#sequence();
      if (sequence !== undefined && sequence > begun + BATCHES_MAX) ending.abort();
    }, WRITERS_LOOK_MILLISECONDS);
    watching.unref();
    let isDone = false;
    try {
      await this.#parts.follow();
      isDone = !this.#seemsWorth() || (await this.#pack(ending.signal));
    } catch (error) {
      // Who compacts packs it too.
      if (ending.signal.aborted || (error instanceof VarveError && error.code === "CONFLICT")) return;
      this.#parts.settings.onTrouble("the index could not be packed", error);
    } finally {
      clearInterval(watching);
      this.#looksNeeded = isDone ? 1 : Math.min(LOOKS_MAX, 2 * this.#looksNeeded);
    }
  }

  /** By what LMDB counts, and some of its pages; whether it is so is known when all rows were seen. */
  #seemsWorth(): boolean {
    const { source, settings } = this.#parts;
    const { bytesMin, growth, sparedPart } = settings.packing;
    const { catalog, indexFolder } = source;
    const size = catalog.size();
    if (size.fileBytes < bytesMin || size.entries < growth * catalog.packedEntries()) return false;
    const bytes = size.usedBytes * filledPart(indexFolder, size);
    return bytes <= size.fileBytes * (1 - sparedPart);
  }

  /** Gives whether anything came of it. */
  async #pack(signal: AbortSignal): Promise<boolean> {
    const { source, end, settings, lockedState } = this.#parts;
    const { lockWaitMax, minFreeSpace: keptFree } = settings;
    const { bytesMin, sparedPart } = settings.packing;
    const before = source.indexFolder;
    const lock = await CompactorLock.take({ lock: end.lock, lockWaitMax, lockedState }, true);
    try {
      await source.pack({
        hold: (action) => lock.hold(action),
        pace: Pace.courteous({ signal }, new Courtesy(forgettableLoop)),
        ...{ bytesMin, sparedPart, keptFree },
      });
      return source.indexFolder !== before;
    } catch (error) {
      throw await lock.explain(error);
    } finally {
      await lock.release();
    }
  }
}

import { setTimeout } from "node:timers/promises";
import type { Logger } from "./api.ts";
import type { EngineCore } from "./engine.ts";
import { VarveError } from "./errors.ts";
import { forgetVersions } from "./forget.ts";
import { sweepNodes } from "./large/sweep.ts";
import { PruneApply } from "./prune-apply.ts";
import { planPrune } from "./prune-plan.ts";
import { takePolicy } from "./prune-policy.ts";

/** A store with a cap has segments of at most this part of it, so that its space comes back in small steps. */
const SEGMENTS_PER_CAP = 8;
const SEGMENT_BYTES_MIN = 64 * 1024;
/** The part of the cap that records may take beside blobs before history is forgotten. */
const HISTORY_PART = 8;
/** Segments of which a smaller share is dead are left alone, unless that is not enough. */
const DEAD_SHARE = 0.25;
/** As long as rows come and go all the time, a packed index does not stay so. */
const INDEX_SPARED_PART = 0.5;
/** How often the size of the log is looked at while a segment is filled. */
const LOOKS_PER_SEGMENT = 16;
/** So long a save waits for room that is being made. */
const WAIT_MILLISECONDS_MAX = 5_000;
/** And so long this waits for another process that compacts. */
const CONFLICT_MILLISECONDS = 100;
/** About what a save takes in the log beside its bytes. */
const SAVE_BYTES = 512;

export function segmentBytesFor(maxSize: number, segmentBytesMax: number): number {
  return Math.min(segmentBytesMax, Math.max(SEGMENT_BYTES_MIN, Math.floor(maxSize / SEGMENTS_PER_CAP)));
}

export interface SizeCapSettings {
  maxSize: number;
  segmentBytes: number;
  logger: Logger | undefined;
}

/**
 * Keeps the log of a store below `maxSize`: once it is less than a segment below, the oldest versions are deleted and
 * compacted away in the background, until it is two segments below. A save never fails for it: less than half a segment
 * below the cap it waits for the room that is being made, 5 seconds at most. Where what is protected takes more than the
 * cap, that is told to the logger, once, and the log grows.
 */
export class SizeCap {
  readonly #core: EngineCore;
  readonly #settings: SizeCapSettings;
  readonly #stopping = new AbortController();
  /** Bytes of the log at the last look, and about what was saved since. */
  #logBytes = 0;
  #saved = Number.POSITIVE_INFINITY;
  /** It was tried in vain: not again before the log takes more than this. */
  #triedBytes = 0;
  #isWarned = false;
  #running: Promise<void> | undefined;
  /** What saves wait for, while there is something to wait for. */
  #room: Promise<void> | undefined;

  constructor(core: EngineCore, settings: SizeCapSettings) {
    this.#core = core;
    this.#settings = settings;
    setImmediate(() => this.#look()).unref();
  }

  /** Before so many bytes are saved: what to wait for, if the log is above the cap and room is being made. */
  room(bytes: number): Promise<void> | undefined {
    this.#saved += bytes + SAVE_BYTES;
    const { maxSize, segmentBytes } = this.#settings;
    if (this.#saved * LOOKS_PER_SEGMENT >= segmentBytes) this.#look();
    if (!this.#running || this.#logBytes + this.#saved <= maxSize - segmentBytes / 2) return undefined;
    this.#room ??= atMost(this.#running, WAIT_MILLISECONDS_MAX).finally(() => {
      this.#room = undefined;
    });
    return this.#room;
  }

  /** Ends what is under way; what it has done so far stays done. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  #look(): void {
    if (this.#stopping.signal.aborted) return;
    try {
      this.#logBytes = this.#core.fileSpace().logBytes;
    } catch (error) {
      this.#warn("the size of the log can't be read", { error: String(error) });
      return;
    }
    this.#saved = 0;
    if (this.#running || !this.#isTooMuch(this.#logBytes) || this.#logBytes <= this.#triedBytes) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  #isTooMuch(bytes: number): boolean {
    return bytes > this.#settings.maxSize - this.#settings.segmentBytes;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    try {
      while (!signal.aborted) {
        const ended = await this.#makeRoom().catch(async (error: unknown) => {
          if (!(error instanceof VarveError && error.code === "CONFLICT")) throw error;
          // Another process does the same, or makes room otherwise.
          await pause(CONFLICT_MILLISECONDS, signal);
          return !this.#isTooMuch(this.#core.fileSpace().logBytes);
        });
        if (ended) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      this.#triedBytes = this.#logBytes + this.#settings.segmentBytes;
      this.#warn("making room for maxSize failed", { error: String(error) });
    }
  }

  /** @returns true, once there is room, or none can be made */
  async #makeRoom(): Promise<boolean> {
    let left = Number.POSITIVE_INFINITY;
    for (let isThorough = false; ; isThorough = true) {
      const { logBytes, isSpent } = await this.#prune(isThorough);
      if (!this.#isTooMuch(logBytes)) {
        this.#triedBytes = 0;
        this.#isWarned = false;
        return true;
      }
      // Or as much was saved meanwhile, behind which the next look comes.
      if (isThorough && isSpent) this.#giveUp(logBytes);
      if (isThorough && (isSpent || logBytes >= left)) return true;
      left = logBytes;
    }
  }

  /**
   * @param thoroughly every dead byte is to go, and history with it
   * @returns what the log takes then, and whether all is gone that may go
   */
  async #prune(thoroughly: boolean): Promise<{ logBytes: number; isSpent: boolean }> {
    const core = this.#core;
    const { maxSize, segmentBytes } = this.#settings;
    const { signal } = this.#stopping;
    const now = core.now();
    const target = Math.max(0, maxSize - 2 * segmentBytes);
    const policy = takePolicy({ maxSize: target }, now);
    const historyBytesMax = thoroughly ? 0 : maxSize / HISTORY_PART;
    const plan = await planPrune(core, policy, now, { asFarAsPossible: true, historyBytesMax, signal });
    await new PruneApply(core, policy, plan).run(false, { signal });
    await sweepNodes(core, signal);
    const compacted = await core.compact({
      dryRun: false,
      deadShare: thoroughly ? 0 : DEAD_SHARE,
      ...(plan.forgets ? await this.#forget() : {}),
      roundBytesMax: segmentBytes,
      indexSparedPart: INDEX_SPARED_PART,
      signal,
    });
    return { logBytes: compacted.logBytesAfter, isSpent: plan.logBytes > target };
  }

  /** What was deleted by now, and all that was changed, goes with its history. */
  async #forget(): Promise<{ historyBefore: number; forgotten: Buffer[] }> {
    const { signal } = this.#stopping;
    const snapshot = await this.#core.reading(() => this.#core.snapshot());
    const { sequence } = snapshot;
    snapshot.close();
    const how = { dryRun: false, durable: false, signal };
    return { historyBefore: sequence, forgotten: await forgetVersions(this.#core, sequence, how) };
  }

  #giveUp(bytes: number): void {
    const { maxSize, segmentBytes } = this.#settings;
    this.#triedBytes = bytes + segmentBytes;
    if (bytes <= maxSize || this.#isWarned) return;
    this.#isWarned = true;
    this.#warn("the log takes more than maxSize, since what is left is protected", {
      maxSize,
      logBytes: bytes,
    });
  }

  #warn(message: string, facts: Record<string, unknown>): void {
    try {
      this.#settings.logger?.warn(message, facts);
    } catch {
      // There is nobody to tell.
    }
  }
}

/** Resolves with `promise`, or when so much time is over. */
async function atMost(promise: Promise<void>, milliseconds: number): Promise<void> {
  const over = new AbortController();
  await Promise.race([promise, pause(milliseconds, over.signal)]);
  over.abort();
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await setTimeout(milliseconds, undefined, { signal }).catch(() => {});
}

import type { BatchMark } from "./failed-sync.ts";
import { lostAfterFailedSync } from "./failed-sync.ts";
import type { LogEnd } from "./log-end.ts";

/** What of the log is on the disk: one sync at a time, which covers all that was written before it began. */
export class Durability {
  readonly #end: LogEnd;
  #appended: BatchMark = { sequence: 0, losses: 0 };
  #syncing: Promise<void> | undefined;
  /** What the sync under way, or the last one, is to cover. */
  #covered: BatchMark = this.#appended;
  /** The newest batch that was acknowledged without waiting for its sync. */
  #owed: BatchMark | undefined;

  constructor(end: LogEnd) {
    this.#end = end;
  }

  /**
   * Puts what is appended on the disk while the group is not committed yet, unless a sync is under way. It is not
   * acknowledged by this: `wrote` follows, or `withdraw`.
   */
  begin(batch: BatchMark): void {
    if (this.#syncing) return;
    this.#syncing = this.#sync(batch);
    this.#syncing.catch(() => {});
  }

  /** The group that was begun is none, so its numbers are given again: what counts ends with `last`, whatever is synced. */
  withdraw(last: BatchMark): void {
    if (this.#covered.sequence > last.sequence) this.#covered.sequence = last.sequence;
  }

  /** This process has written up to `batch`. */
  wrote(batch: BatchMark): void {
    this.#appended = batch;
  }

  /** `batch` was acknowledged as buffered: it is synced without anybody waiting. */
  owes(batch: BatchMark): void {
    this.#owed = batch;
    this.reach(batch).catch(() => {});
  }

  /** Resolves when `batch` is on the disk. @throws with the outcome unknown when it may not be */
  async reach(batch: BatchMark): Promise<void> {
    for (;;) {
      const fate = this.#end.fateOf(batch);
      if (fate === "durable") return;
      if (fate === "lost") throw lostAfterFailedSync();
      if (this.#end.failure) throw this.#end.failure;
      this.#syncing ??= this.#sync(this.#appended);
      await this.#syncing;
    }
  }

  /** As `reach`, for a batch that may be another process's and lies in `segment`. */
  async settle(batch: BatchMark, segment: number): Promise<void> {
    const { sequence, losses } = this.#appended;
    if (batch.losses === losses && batch.sequence <= sequence) return this.reach(batch);
    if (this.#end.fateOf(batch) === "open") await this.#end.syncSegment(batch, segment);
    if (this.#end.fateOf(batch) !== "durable") throw lostAfterFailedSync();
  }

  get isSyncing(): boolean {
    return this.#syncing !== undefined;
  }

  /** Waits for the sync under way, whatever comes of it. */
  async quiet(): Promise<void> {
    await this.#syncing?.catch(() => {});
  }

  /** Resolves when all that was acknowledged is on the disk. @throws when it may not be, and nobody was told yet */
  async idle(): Promise<void> {
    const owed = this.#owed;
    this.#owed = undefined;
    await this.quiet();
    if (owed) await this.reach(owed);
  }

  async #sync(batch: BatchMark): Promise<void> {
    this.#covered = { ...batch };
    try {
      await this.#end.syncLog(this.#covered);
    } finally {
      this.#syncing = undefined;
    }
  }
}

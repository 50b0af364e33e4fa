import { fromSystemError, VarveError } from "./errors.ts";
import type { SharedState } from "./index/lock.ts";
import { GroupLayout } from "./log/layout.ts";
import type { LogPosition } from "./log/segment.ts";
import type { LogEnd } from "./log-end.ts";
import { Transaction } from "./transaction.ts";

/** What one group takes from the queue at most. */
const GROUP_ITEMS_MAX = 10_000;
const GROUP_BYTES_MAX = 16 * 1024 * 1024;

export interface Work<T> {
  /** Runs under the lock and at once: reads, decides, writes. A throw leaves nothing of it behind. */
  run(transaction: Transaction): T;
  /** About how much it writes. */
  bytes: number;
  durable: boolean;
  /** Whether `run` may throw after it has written something. */
  undoable?: boolean;
  /** Whether it may use the space below `minFreeSpace`: it helps to make room. */
  reserve?: boolean;
}

interface Item {
  work: Work<unknown>;
  queuedAt: number;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

interface Outcome {
  items: Item[];
  results: unknown[];
  end: LogPosition;
}

/**
 * The group commit of one process. Everything queued when the lock is taken becomes one group: one write, one
 * transaction of the index, one sync. There are no timers: while a group syncs, the next one gathers.
 */
export class Committer {
  readonly #end: LogEnd;
  #queue: Item[] = [];
  /** The items of the group under way. */
  #taken: Item[] = [];
  #running: Promise<void> | undefined;
  #syncing: Promise<void> | undefined;
  /** The newest batch that the sync under way covers. */
  #syncingSequence = 0;
  #appendedSequence = 0;
  #failure: VarveError | undefined;

  constructor(end: LogEnd) {
    this.#end = end;
  }

  submit<T>(work: Work<T>): Promise<T> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#queue.push({ work, queuedAt: Date.now(), resolve: resolve as (result: unknown) => void, reject });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when everything submitted so far is committed, and on the disk too. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
    if (this.#appendedSequence > this.#end.durableSequence && !this.#failure)
      await this.#sync(this.#appendedSequence);
  }

  /** The sync that will make `sequence` durable, if this process has written it. */
  durable(sequence: number): Promise<void> | undefined {
    if (sequence > this.#appendedSequence) return undefined;
    return this.#sync(sequence);
  }

  async #run(): Promise<void> {
    // What is called in one turn of the event loop goes into one group.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const outcome = await this.#commitPolitely();
      if (outcome) await this.#finish(outcome);
    }
    this.#running = undefined;
  }

  async #commitPolitely(): Promise<Outcome | undefined> {
    const { lock, lockWaitMax } = this.#end;
    this.#taken = [];
    try {
      if (lock.isAlone()) return lock.holdSync(() => this.#commit());
      const waiting = setInterval(() => this.#rejectOverdue(), Math.max(1, lockWaitMax / 10));
      try {
        return await lock.hold(() => this.#commit());
      } finally {
        clearInterval(waiting);
      }
    } catch (error) {
      // Items that a group had taken may be in the log already: the lock's own commit failed behind them.
      this.#rejectAll(
        this.#taken,
        fromSystemError(error, "giving the lock of the store back", { outcome: "unknown" }),
      );
      this.#rejectAll(this.#queue.splice(0), fromSystemError(error, "taking the lock of the store"));
      return undefined;
    }
  }

  #rejectOverdue(): void {
    const since = Date.now() - this.#end.lockWaitMax;
    const overdue = this.#queue.filter((item) => item.queuedAt <= since);
    if (overdue.length === 0) return;
    this.#queue = this.#queue.filter((item) => item.queuedAt > since);
    const message = `waited ${this.#end.lockWaitMax} ms for the lock of the store, held by ${this.#end.lock.holder()}`;
    this.#rejectAll(
      overdue,
      new VarveError("UNAVAILABLE", message, { hint: "nothing was written; try again, or end that process" }),
    );
  }

  /** Under the lock. Never throws: a failure is told to the items of the group, and the lock's rows stay right. */
  #commit(): Outcome | undefined {
    const items = this.#take();
    this.#taken = items;
    let state: SharedState;
    let layout: GroupLayout;
    try {
      state = this.#end.stateForWriting();
      const start = this.#end.catchUp(state);
      layout = new GroupLayout(
        start,
        this.#end.salt,
        Math.max(state.durableSequence, this.#end.durableSequence),
      );
    } catch (error) {
      // A sync that failed on the way: see `#syncNow`.
      if (error instanceof VarveError && error.outcome === "unknown") this.#failure = error;
      this.#rejectAll(items, fromSystemError(error, "preparing the log for writing"));
      return undefined;
    }
    try {
      const outcome = this.#end.catalog.transact(() => this.#write(items, layout));
      this.#appendedSequence = Math.max(this.#appendedSequence, outcome.end.sequence);
      this.#end.committed(state, outcome.end);
      return outcome;
    } catch (error) {
      const foreign = error instanceof VarveError && error.outcome === "unknown";
      const doubtful = this.#end.abandoned(state, layout.start, foreign);
      this.#rejectAll(
        items,
        fromSystemError(error, "writing to the log", doubtful ? { outcome: "unknown" } : {}),
      );
      return undefined;
    }
  }

  #take(): Item[] {
    let bytes = 0;
    let count = 0;
    while (
      count < this.#queue.length &&
      count < GROUP_ITEMS_MAX &&
      (count === 0 || bytes < GROUP_BYTES_MAX)
    ) {
      bytes += this.#queue[count]!.work.bytes;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  #write(items: Item[], layout: GroupLayout): Outcome {
    const outcome: Outcome = { items: [], results: [], end: layout.start };
    const now = this.#end.now();
    const { catalog, reader, salt, families } = this.#end;
    const parts = { catalog, reader, salt, families, layout };
    for (const item of items) {
      const ran = this.#runItem(item, new Transaction(parts, now), layout);
      if ("undone" in ran) {
        item.reject(ran.undone);
        continue;
      }
      outcome.results.push(ran.result);
      outcome.items.push(item);
    }
    outcome.end = layout.end;
    if (layout.end.offset === layout.start.offset) return outcome;
    this.#end.append(layout);
    this.#end.catalog.setApplied(layout.end);
    return outcome;
  }

  /** Runs one batch; of one that fails nothing is left, and the rest of the group goes on. */
  #runItem(
    item: Item,
    transaction: Transaction,
    layout: GroupLayout,
  ): { result: unknown } | { undone: unknown } {
    layout.beginBatch();
    if (item.work.undoable) this.#end.catalog.mark();
    try {
      if (!item.work.reserve) this.#end.checkFreeSpace();
      const result = item.work.run(transaction);
      layout.endBatch(transaction.sequence, transaction.time);
      return { result };
    } catch (error) {
      if (item.work.undoable) this.#end.catalog.undo();
      else if (layout.hasRecords) throw error;
      this.#end.families.clear();
      layout.abandonBatch();
      return { undone: error };
    } finally {
      this.#end.catalog.unmark();
    }
  }

  async #finish(outcome: Outcome): Promise<void> {
    const { items, results, end } = outcome;
    const waits = items.some((item) => item.work.durable) && end.sequence > this.#end.durableSequence;
    items.forEach((item, i) => {
      if (!waits || !item.work.durable) item.resolve(results[i]);
    });
    const sync = end.sequence > this.#end.durableSequence ? this.#sync(end.sequence) : undefined;
    if (!waits) {
      sync?.catch(() => {});
      return;
    }
    try {
      await sync;
      items.forEach((item, i) => void (item.work.durable && item.resolve(results[i])));
    } catch (error) {
      this.#rejectAll(items, error as VarveError);
    }
  }

  /** One sync at a time; a caller whose batch the running one does not cover waits for the next. */
  async #sync(sequence: number): Promise<void> {
    while (this.#syncing && this.#syncingSequence < sequence) await this.#syncing;
    if (this.#failure) throw this.#failure;
    if (this.#end.durableSequence >= sequence) return;
    this.#syncing ??= this.#syncNow(this.#appendedSequence);
    await this.#syncing;
  }

  async #syncNow(sequence: number): Promise<void> {
    this.#syncingSequence = sequence;
    try {
      await this.#end.syncLog();
      this.#end.raiseDurable(sequence);
    } catch (error) {
      // After a failed sync the kernel may call lost pages clean: a second try would prove nothing.
      this.#failure = fromSystemError(error, "syncing the log", {
        outcome: "unknown",
        hint: "the disk failed to confirm the last writes; check it, then close and open the store",
      });
      this.#end.syncFailed();
      this.#rejectAll(this.#queue.splice(0), this.#failure);
      throw this.#failure;
    } finally {
      this.#syncing = undefined;
    }
  }

  #rejectAll(items: Item[], error: VarveError): void {
    for (const item of items) item.reject(error);
  }
}

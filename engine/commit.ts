import type { Durability } from "./durability.ts";
import { fromSystemError, VarveError } from "./errors.ts";
import type { BatchMark } from "./failed-sync.ts";
import { afterFailedSync, lostAfterFailedSync } from "./failed-sync.ts";
import type { Item } from "./group-queue.ts";
import { GroupQueue, rejectAll, tell, withOpenOutcome } from "./group-queue.ts";
import { isIndexDamage } from "./index/damage.ts";
import { GroupLayout } from "./log/layout.ts";
import { LayoutMemory } from "./log/layout-memory.ts";
import type { GroupStart, LogEnd } from "./log-end.ts";
import { Transaction } from "./transaction.ts";
import type { Work } from "./work.ts";

/** What an operation takes beside its bytes: headers in the log, rows and pages of the index. */
export const OPERATION_BYTES = 2048;

interface Outcome {
  items: Item[];
  results: unknown[];
  end: BatchMark;
}

/** What has to be done outside the lock before a group can be committed. */
type Obstacle = "in doubt" | "syncing";

/** A group that failed behind its append, when its sync had begun: whether anything of it counts is open until that ends. */
interface Undecided {
  items: Item[];
  error: unknown;
  failedAt: number;
}

/**
 * The group commit of one process. Everything queued when the lock is taken becomes one group: one write, one
 * transaction of the index, one sync, which begins before that transaction ends. There are no timers: while a group syncs,
 * the next one gathers.
 */
export class Committer {
  readonly #end: LogEnd;
  readonly #durability: Durability;
  readonly #queue = new GroupQueue();
  /** The items of the group under way. */
  #taken: Item[] = [];
  #undecided: Undecided | undefined;
  readonly #memory = new LayoutMemory();
  #running: Promise<void> | undefined;
  #told: Promise<void> | undefined;

  constructor(end: LogEnd, durability: Durability) {
    this.#end = end;
    this.#durability = durability;
  }

  submit<T, R = T>(work: Work<T, R>): Promise<R> {
    if (this.#end.failure) return Promise.reject(afterFailedSync(this.#end.failure));
    return new Promise((resolve, reject) => {
      const item = { work, queuedAt: Date.now(), resolve, reject };
      this.#queue.push(item as Item);
      this.#running ??= this.#run();
    });
  }

  /** Resolves when everything submitted so far is committed, and on the disk too. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
    await this.#told;
    await this.#durability.idle();
  }

  async #run(): Promise<void> {
    // What is called in one turn of the event loop goes into one group.
    await Promise.resolve();
    while (this.#queue.length > 0 || this.#undecided) {
      const outcome = await this.#commitPolitely();
      if (outcome === "in doubt") await this.#recover();
      else if (outcome === "syncing") await this.#durability.quiet();
      else if (outcome) await this.#finish(outcome);
    }
    this.#running = undefined;
  }

  /** What is queued was not written: it is, once nothing is in doubt any more. */
  async #recover(): Promise<void> {
    try {
      await this.#end.recover();
    } catch (error) {
      this.#giveUp(error as VarveError);
      rejectAll(this.#queue.takeAll(), afterFailedSync(error as VarveError));
    }
  }

  /** What is undecided stays open for good. */
  #giveUp(error: VarveError): void {
    const items = this.#undecided?.items ?? [];
    this.#undecided = undefined;
    rejectAll(items, withOpenOutcome(error));
  }

  async #commitPolitely(): Promise<Outcome | Obstacle | undefined> {
    const { lock } = this.#end;
    this.#taken = [];
    try {
      const outcome = lock.isAlone() ? lock.holdSync(() => this.#commit()) : await this.#holdWhileWanted();
      // Nothing that is done keeps what it was given while the next group gathers: garbage that is old costs the most.
      this.#taken = [];
      return outcome;
    } catch (error) {
      // Items that a group had taken may be in the log already: the lock's own commit failed behind them.
      const told = fromSystemError(error, "giving the lock of the store back");
      rejectAll(this.#taken, withOpenOutcome(told));
      this.#giveUp(told);
      rejectAll(this.#queue.takeAll(), fromSystemError(error, "taking the lock of the store"));
      return undefined;
    }
  }

  /** Waits for the lock as long as anybody waits for this: closing must not hang on a process that is stopped with it. */
  async #holdWhileWanted(): Promise<Outcome | Obstacle | undefined> {
    const { lock, lockWaitMax } = this.#end;
    let gaveUp = false;
    const held = lock.hold(() => (gaveUp ? undefined : this.#commit()));
    held.catch(() => {});
    let waiting: NodeJS.Timeout | undefined;
    const unwanted = new Promise<undefined>((resolve) => {
      waiting = setInterval(
        () => {
          this.#rejectOverdue();
          gaveUp = this.#queue.length === 0 && this.#taken.length === 0 && !this.#undecided;
          if (gaveUp) resolve(undefined);
        },
        Math.max(1, lockWaitMax / 10),
      );
    });
    try {
      return await Promise.race([held, unwanted]);
    } finally {
      clearInterval(waiting);
    }
  }

  #rejectOverdue(): void {
    const since = Date.now() - this.#end.lockWaitMax;
    const overdue = this.#queue.takeOverdue(since);
    const isOverdue = this.#undecided && this.#undecided.failedAt <= since;
    if (overdue.length === 0 && !isOverdue) return;
    const message = `waited ${this.#end.lockWaitMax} ms for the lock of the store, held by ${this.#end.lock.holder()}`;
    const hint = "nothing was written; try again, or end that process";
    rejectAll(overdue, new VarveError("UNAVAILABLE", message, { hint }));
    if (isOverdue) this.#giveUp(fromSystemError(this.#undecided!.error, "writing to the log"));
  }

  /** Under the lock. Never throws: a failure is told to the items of the group, and the lock's rows stay right. */
  #commit(): Outcome | Obstacle | undefined {
    const obstacle = this.#undecided && this.#decide(this.#undecided);
    if (obstacle || this.#queue.length === 0) return obstacle;
    this.#end.space.look();
    const items = this.#queue.take(this.#end.space);
    this.#taken = items;
    let start: GroupStart;
    try {
      const prepared = this.#end.prepare();
      if (typeof prepared === "string") {
        this.#taken = [];
        this.#queue.putBack(items);
        return prepared;
      }
      start = prepared;
      const bytes = items.reduce((sum, item) => sum + item.work.bytes, 0);
      this.#end.space.checkGroup(items.length, bytes);
    } catch (error) {
      if (!this.#isRepeated(items, error))
        rejectAll(items, fromSystemError(error, "preparing the log for writing"));
      return undefined;
    }
    return this.#commitBehind(start, items);
  }

  /** Under the lock, when nothing was written: the index is made anew by the next group, in which these are once more. */
  #isRepeated(items: Item[], error: unknown): boolean {
    const left = items.filter((item) => !item.isRejected);
    if (!isIndexDamage(error) || left.some((item) => item.isRepeated)) return false;
    for (const item of left) item.isRepeated = true;
    this.#end.suspectIndex();
    this.#queue.putBack(left);
    return true;
  }

  #commitBehind({ state, position }: GroupStart, items: Item[]): Outcome | undefined | "syncing" {
    const durable = Math.max(state.durableSequence, this.#end.durableSequence);
    const layout = new GroupLayout(position, this.#end.salt, durable, this.#memory);
    const { losses } = state;
    try {
      const ran = this.#end.catalog.transact(() => this.#write(items, layout, losses));
      this.#end.committed(state, layout.end);
      const end = { sequence: layout.end.sequence, losses };
      this.#durability.wrote(end);
      return { ...ran, end };
    } catch (error) {
      this.#durability.withdraw({ sequence: layout.start.sequence, losses });
      const foreign = error instanceof VarveError && error.outcome === "unknown";
      const left = this.#end.abandoned(state, layout.start, foreign);
      if (left === "syncing") {
        this.#undecided = { items, error, failedAt: Date.now() };
        return left;
      }
      this.#failed(items, error, left === "open");
      return undefined;
    }
  }

  /** Under the lock, when the sync has ended: from here on the log goes on where the group began, or nobody can tell. */
  #decide({ items, error }: Undecided): Obstacle | undefined {
    const cut = this.#end.cut();
    if (cut === "in doubt" || cut === "syncing") return cut;
    this.#undecided = undefined;
    this.#failed(items, error, cut === "open");
    return undefined;
  }

  /** @param isOpen bytes of the group may count */
  #failed(items: Item[], error: unknown, isOpen: boolean): void {
    if (!isOpen && this.#isRepeated(items, error)) return;
    const told = fromSystemError(this.#end.space.explained(error), "writing to the log");
    rejectAll(items, isOpen ? withOpenOutcome(told) : told);
  }

  #write(items: Item[], layout: GroupLayout, losses: number): Omit<Outcome, "end"> {
    const outcome: Omit<Outcome, "end"> = { items: [], results: [] };
    const now = this.#end.now();
    const { catalog, reader, salt, families } = this.#end;
    const parts = { catalog, reader, salt, families, layout };
    const transaction = new Transaction(parts, now);
    for (const item of items) {
      const ran = this.#runItem(item, transaction, layout);
      if ("undone" in ran) {
        item.isRejected = true;
        item.reject(ran.undone);
        continue;
      }
      outcome.results.push(ran.result);
      outcome.items.push(item);
    }
    if (layout.end.offset === layout.start.offset) return outcome;
    this.#end.append(layout);
    // The disk is at work while the index takes the group in; before that is done nothing comes of it.
    if (outcome.items.some(({ work }) => work.durable))
      this.#durability.begin({ sequence: layout.end.sequence, losses });
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
    transaction.begin(item.work.time);
    if (item.work.undoable) this.#end.catalog.mark();
    try {
      if (!item.work.reserve) this.#end.space.checkReserve(item.work.bytes);
      const result = item.work.run(transaction);
      layout.endBatch(transaction.sequence, transaction.time);
      return { result };
    } catch (error) {
      if (isIndexDamage(error)) throw error;
      if (item.work.undoable) this.#end.catalog.undo();
      else if (layout.hasRecords) throw error;
      this.#end.families.clear();
      layout.abandonBatch();
      return { undone: error };
    } finally {
      this.#end.catalog.unmark();
    }
  }

  async #finish({ items, results, end }: Outcome): Promise<void> {
    for (const { work } of items) work.written?.();
    const fate = this.#end.fateOf(end);
    if (fate === "lost") return rejectAll(items, lostAfterFailedSync());
    const isOpen = fate === "open";
    const mustWait = ({ work }: Item) => isOpen && work.durable;
    const waiting = items.filter(mustWait);
    items.forEach((item, i) => void (mustWait(item) || tell(item, results[i])));
    if (isOpen && waiting.length < items.length) this.#durability.owes(end);
    if (waiting.length === 0) return;
    this.#told = this.#durability.reach(end).then(
      () => items.forEach((item, i) => void (item.work.durable && tell(item, results[i]))),
      (error: unknown) => rejectAll(waiting, withOpenOutcome(fromSystemError(error, "syncing the log"))),
    );
    if (waiting.some(({ work }) => !work.overlaps)) await this.#told;
  }
}

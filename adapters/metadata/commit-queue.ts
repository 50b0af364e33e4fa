import { setTimeout as sleep } from "node:timers/promises";
import type { CallOptions, Logger, Unit, UnitResult } from "../../engine/main.ts";
import { abortedError, reasonOf, throwIfAborted } from "./failure.ts";
import type { Parts } from "./reading.ts";
import { type Mark, transact, unknownOutcome, wasCommitted } from "./transaction.ts";

/** Operations of one transaction at most, so long as no unit has more: others wait meanwhile. */
const OPERATIONS_MAX = 2000;
/** How often a transaction is tried. What holds a lock is waited for by time instead. */
const TRIES_MAX = 20;
/** Milliseconds to wait before it is tried again: at random up to so much, twice as much each time. */
const PAUSE_MIN = 4;
const PAUSE_MAX = 250;

type Results = (UnitResult | Error)[];

interface Call {
  units: readonly Unit[];
  operations: number;
  queuedAt: number;
  resolve(results: Results): void;
  reject(error: unknown): void;
}

/**
 * The group commit of one open store: what is called while a transaction runs goes into the next one, so that many saves
 * are rows of one insert. There are no timers.
 */
export class CommitQueue {
  readonly #parts: Parts;
  readonly #lockWaitMax: number;
  /** Milliseconds that are spent on finding out what became of a commit. */
  readonly #doubtMax: number;
  readonly #logger: Logger | undefined;
  /** Told of calls that have ended, so many at once. */
  readonly #onEnd: (calls: number) => void;
  readonly #queue: Call[] = [];
  #isRunning = false;

  constructor(
    parts: Parts,
    limits: { lockWaitMax: number; doubtMax: number },
    logger: Logger | undefined,
    onEnd: (calls: number) => void,
  ) {
    this.#parts = parts;
    this.#onEnd = onEnd;
    this.#lockWaitMax = limits.lockWaitMax;
    this.#doubtMax = limits.doubtMax;
    this.#logger = logger;
  }

  /** @throws ABORTED; then it is no call */
  submit(units: readonly Unit[], { signal }: CallOptions = {}): Promise<Results> {
    throwIfAborted(signal);
    return new Promise((resolve, reject) => {
      const operations = units.reduce((sum, unit) => sum + unit.operations.length, 0);
      const call: Call = { units, operations, queuedAt: performance.now(), resolve, reject };
      if (signal) this.#watch(call, signal);
      this.#queue.push(call);
      if (!this.#isRunning) void this.#run();
    });
  }

  /** What has not begun is not done. What has begun goes to its end, which is told. */
  #watch(call: Call, signal: AbortSignal): void {
    const onAbort = () => {
      const place = this.#queue.indexOf(call);
      if (place < 0) return;
      this.#queue.splice(place, 1);
      this.#onEnd(1);
      call.reject(abortedError(signal));
    };
    signal.addEventListener("abort", onAbort, { once: true });
    const { resolve, reject } = call;
    call.resolve = (results) => {
      signal.removeEventListener("abort", onAbort);
      resolve(results);
    };
    call.reject = (error) => {
      signal.removeEventListener("abort", onAbort);
      reject(error);
    };
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    // What is called in one turn of the event loop goes into one transaction.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const calls = this.#take();
      await this.#commit(calls);
      this.#onEnd(calls.length);
    }
    this.#isRunning = false;
  }

  #take(): Call[] {
    let operations = 0;
    let count = 0;
    for (const call of this.#queue) {
      operations += call.operations;
      if (count > 0 && operations > OPERATIONS_MAX) break;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  /** Never rejects: what fails is told to the calls. */
  async #commit(calls: Call[]): Promise<void> {
    const deadline = Math.max(...calls.map(({ queuedAt }) => queuedAt)) + this.#lockWaitMax;
    try {
      const results = await this.#transactAgain(
        calls.flatMap(({ units }) => units),
        deadline,
      );
      let at = 0;
      for (const call of calls) {
        const { length } = call.units;
        call.resolve(results.slice(at, at + length));
        at += length;
      }
    } catch (error) {
      if (isOfContents(error)) await this.#commitEach(calls, deadline);
      else for (const call of calls) call.reject(error);
    }
  }

  /** One of the units is what the database does not take. */
  async #commitEach(calls: Call[], deadline: number): Promise<void> {
    for (const call of calls) {
      const results: Results = [];
      for (const unit of call.units) {
        try {
          results.push(...(await this.#transactAgain([unit], deadline + this.#lockWaitMax)));
        } catch (error) {
          results.push(error as Error);
        }
      }
      call.resolve(results);
    }
  }

  #transactAgain(units: readonly Unit[], deadline: number): Promise<Results> {
    return this.again(async () => {
      const outcome = await transact(this.#parts, units);
      if (outcome.kind === "done") return outcome.results;
      if (await this.#resolveDoubt(outcome.mark, outcome.error)) return outcome.results;
      throw outcome.error;
    }, deadline);
  }

  /** Does what is one transaction, and does it again where it met another one. */
  async again<T>(work: () => Promise<T>, deadline = performance.now() + this.#lockWaitMax): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await work();
      } catch (error) {
        if (!isWorthRepeating(error, tries, deadline)) throw error;
        this.#logger?.debug("a transaction is tried again", { tries, reason: reasonOf(error) });
        await pause(tries);
      }
    }
  }

  /** @throws an error with an unknown outcome, where the database can't be asked */
  async #resolveDoubt(mark: Mark, cause: unknown): Promise<boolean> {
    const until = performance.now() + this.#doubtMax;
    for (let tries = 1; ; tries++) {
      try {
        // Also where the log can't be written, nobody knows.
        if (tries === 1)
          this.#logger?.warn("it is looked up whether a transaction was committed", {
            sequence: mark.sequence,
          });
        return await wasCommitted(this.#parts, mark);
      } catch (error) {
        if (performance.now() > until || reasonOf(error) === undefined) throw unknownOutcome(cause);
        await pause(tries);
      }
    }
  }
}

/** Of an error that another transaction of the same units may not meet. */
function isWorthRepeating(error: unknown, tries: number, deadline: number): boolean {
  if ((error as { outcome?: unknown }).outcome !== undefined) return false;
  const reason = reasonOf(error);
  const isInTime = performance.now() < deadline;
  if (reason === "lock") return isInTime;
  // A connection that was not used for a while may have ended long ago.
  if (reason === "lost") return isInTime && tries <= 3;
  return reason === "conflict" && tries < TRIES_MAX;
}

/** An error that says nothing of the database, but of what it was given. What may have been committed is not made again. */
function isOfContents(error: unknown): boolean {
  const { code, outcome } = error as { code?: string; outcome?: unknown };
  if (outcome !== undefined) return false;
  return code === "IO" || code === "NOT_SUPPORTED";
}

async function pause(tries: number): Promise<void> {
  await sleep(Math.min(PAUSE_MAX, PAUSE_MIN * 2 ** tries) * Math.random());
}

import type { CallOptions } from "./api.ts";
import { VarveError } from "./errors.ts";
import { isIndexDamage, isIndexReplaced } from "./index/damage.ts";
import { isRetired } from "./log/reader.ts";
import { PageItems } from "./page-items.ts";

/** How often a call is tried again: for damage, which a new index has not, and for others' making new ones. */
const DAMAGED_MAX = 2;
const REPLACED_MAX = 100;
/** The same where what was read has changed, and its records were moved, while this process was stopped. */
const RETIRED_MAX = 3;

/** Counts the running calls of a store or engine, so that closing waits for them and later calls are refused. */
export class CallGuard {
  readonly #what: string;
  readonly #heal: (() => Promise<boolean>) | undefined;
  #running = 0;
  #closing: Promise<void> | undefined;
  #idle: (() => void) | undefined;

  /** @param heal makes the index anew where that can be done: a call that only reads is then tried again */
  constructor(what: string, heal?: () => Promise<boolean>) {
    this.#what = what;
    this.#heal = heal;
  }

  /** Runs a call. It starts at once, so that what it is given is taken before this returns. */
  run<T>(options: CallOptions | undefined, action: () => T | Promise<T>): Promise<T> {
    return this.#begin(options, action, false);
  }

  /** A call that changes nothing, so that it can be tried again once the index, if that was damaged, is made anew. */
  read<T>(options: CallOptions | undefined, action: () => T | Promise<T>): Promise<T> {
    return this.#begin(options, action, true);
  }

  /** What is there at once costs one promise, and no more. */
  #begin<T>(options: CallOptions | undefined, action: () => T | Promise<T>, repeatable: boolean): Promise<T> {
    const refused = this.#refusal(options);
    if (refused) return Promise.reject(refused);
    this.#running++;
    let first: T | Promise<T>;
    try {
      first = action();
    } catch (error) {
      first = Promise.reject(error);
    }
    if (first instanceof Promise)
      return repeatable ? this.#repeat(first, action) : first.then(this.#done, this.#failed);
    this.#leave();
    return Promise.resolve(first);
  }

  readonly #done = <T>(result: T): T => {
    this.#leave();
    return result;
  };

  readonly #failed = (error: unknown): never => {
    this.#leave();
    throw isRetired(error) ? gone(error, false) : error;
  };

  async #repeat<T>(first: Promise<T>, action: () => T | Promise<T>): Promise<T> {
    try {
      for (let tries = 0; ; tries++) {
        try {
          return await (tries === 0 ? first : action());
        } catch (error) {
          if (isRetired(error) && tries >= RETIRED_MAX) throw gone(error, true);
          if (!isRetired(error) && !(await this.#isHealed(error, tries))) throw error;
        }
      }
    } finally {
      this.#leave();
    }
  }

  /** Whether what failed may be tried once more, with an index that is sound and in use. */
  async #isHealed(error: unknown, tries: number): Promise<boolean> {
    if (!this.#heal || !isIndexDamage(error)) return false;
    return tries < (isIndexReplaced(error) ? REPLACED_MAX : DAMAGED_MAX) && (await this.#heal());
  }

  /** An iteration whose every step is a call; leaving it early ends what is under it. */
  async *iterate<T>(options: CallOptions | undefined, begin: () => AsyncGenerator<T>): AsyncGenerator<T> {
    this.check(options);
    let steps = begin();
    try {
      let isBegun = false;
      // Nothing was given out yet, so it may begin again.
      let step = await this.read(options, () => {
        if (isBegun) steps = begin();
        isBegun = true;
        return steps.next();
      });
      while (!step.done) {
        yield step.value;
        step = await this.run(options, () => steps.next().catch((error) => this.#endDamaged(error)));
      }
    } finally {
      await steps.return(undefined);
    }
  }

  /** The same, of what comes by many at a time. */
  iterateAll<T>(
    options: CallOptions | undefined,
    begin: () => AsyncGenerator<T[]>,
  ): AsyncIterableIterator<T> {
    return new PageItems(this.iterate(options, begin), () => this.#refusal(options));
  }

  /** A listing is one state of the store, so it can't go on in an index that was made since. */
  async #endDamaged(error: unknown): Promise<never> {
    if (!(await this.#isHealed(error, 0))) throw error;
    if (isIndexReplaced(error)) {
      throw new VarveError("UNAVAILABLE", "the index was made anew in the middle of a listing", {
        hint: "list again: nothing is lost",
        cause: error,
      });
    }
    throw new VarveError(
      "CORRUPTION",
      "the index was found damaged in the middle of a listing, and was made anew",
      {
        hint: "list again: nothing is lost",
        details: { index: true },
        cause: error,
      },
    );
  }

  close(action: () => Promise<void>): Promise<void> {
    this.#closing ??= this.#close(action);
    return this.#closing;
  }

  async #close(action: () => Promise<void>): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    await action();
  }

  #leave(): void {
    this.#running--;
    if (this.#running === 0) this.#idle?.();
  }

  /** @throws CLOSED or ABORTED */
  check(options: CallOptions | undefined): void {
    const refused = this.#refusal(options);
    if (refused) throw refused;
  }

  #refusal(options: CallOptions | undefined): VarveError | undefined {
    if (this.#closing)
      return new VarveError("CLOSED", `the ${this.#what} is closed`, { hint: "open it again to go on" });
    if (options?.signal?.aborted)
      return new VarveError("ABORTED", "the call was aborted", { cause: options.signal.reason });
    return undefined;
  }
}

/**
 * Nothing that can be listed or asked for now names it; what is held from before may.
 * @param isLatest it was looked for in the newest state too
 */
function gone(cause: unknown, isLatest: boolean): VarveError {
  if (isLatest) {
    return new VarveError("NOT_FOUND", "it was deleted since, and its bytes were compacted away", {
      hint: "what was deleted can be brought back until its bytes are compacted away",
      cause,
    });
  }
  return new VarveError(
    "UNAVAILABLE",
    "this process was stopped for so long that the state it was reading is not kept any more",
    { hint: "list again, or take another snapshot: nothing is lost", cause },
  );
}

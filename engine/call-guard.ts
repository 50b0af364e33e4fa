import type { CallOptions } from "./api.ts";
import { VarveError } from "./errors.ts";

/** Counts the running calls of a store or engine, so that closing waits for them and later calls are refused. */
export class CallGuard {
  readonly #what: string;
  #running = 0;
  #closing: Promise<void> | undefined;
  #idle: (() => void) | undefined;

  constructor(what: string) {
    this.#what = what;
  }

  /** Runs a call. It starts at once, so that what it is given is taken before this returns. */
  async run<T>(options: CallOptions | undefined, action: () => Promise<T>): Promise<T> {
    this.check(options);
    this.#running++;
    try {
      return await action();
    } finally {
      this.#leave();
    }
  }

  /** An iteration whose every step is a call; leaving it early ends what is under it. */
  async *iterate<T>(options: CallOptions | undefined, begin: () => AsyncGenerator<T>): AsyncGenerator<T> {
    this.check(options);
    const steps = begin();
    try {
      for (;;) {
        const step = await this.run(options, () => steps.next());
        if (step.done) return;
        yield step.value;
      }
    } finally {
      await steps.return(undefined);
    }
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
    if (this.#closing)
      throw new VarveError("CLOSED", `the ${this.#what} is closed`, { hint: "open it again to go on" });
    if (options?.signal?.aborted)
      throw new VarveError("ABORTED", "the call was aborted", { cause: options.signal.reason });
  }
}

import type { Progress } from "../api.ts";
import { throwIfAborted } from "../errors.ts";

export interface PaceOptions {
  signal?: AbortSignal | undefined;
  /** Milliseconds after which to stop; default: never. */
  timeBudget?: number | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** For so long a walk over log or index keeps the event loop waiting. */
const TURN_MILLISECONDS = 10;

/** Lets a long walk give way to everything else, be followed, interrupted, and end when its time is over. */
export class Pace {
  readonly #options: PaceOptions;
  readonly #turnMilliseconds: number;
  readonly #end: number;
  #turnAt = performance.now();

  constructor(options: PaceOptions, turnMilliseconds = TURN_MILLISECONDS) {
    this.#options = options;
    this.#turnMilliseconds = turnMilliseconds;
    this.#end = performance.now() + (options.timeBudget ?? Number.POSITIVE_INFINITY);
  }

  /** Whether somebody follows, for whom a total is worth some work. */
  get isFollowed(): boolean {
    return this.#options.onProgress !== undefined;
  }

  isOver(): boolean {
    return performance.now() >= this.#end;
  }

  isDue(): boolean {
    return performance.now() - this.#turnAt >= this.#turnMilliseconds;
  }

  tell(progress: Progress): void {
    this.#options.onProgress?.(progress);
  }

  /** @throws ABORTED */
  async turn(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    throwIfAborted(this.#options.signal);
    this.#turnAt = performance.now();
  }
}

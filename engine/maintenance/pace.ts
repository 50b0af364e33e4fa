import type { Progress } from "../api.ts";
import { throwIfAborted } from "../errors.ts";
import { Courtesy, SLICE_MILLISECONDS } from "./courtesy.ts";

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
  readonly #courtesy: Courtesy | undefined;
  #turnMilliseconds: number;
  readonly #end: number;
  #turnAt: number;

  constructor(options: PaceOptions, turnMilliseconds = TURN_MILLISECONDS, courtesy?: Courtesy) {
    this.#options = options;
    this.#courtesy = courtesy;
    this.#turnMilliseconds = turnMilliseconds;
    this.#turnAt = this.#now();
    this.#end = this.#turnAt + (options.timeBudget ?? Number.POSITIVE_INFINITY);
  }

  /** Of work that goes on for long beside others, who are to see little of it. */
  static courteous(options: PaceOptions, courtesy = new Courtesy()): Pace {
    return new Pace(options, SLICE_MILLISECONDS, courtesy);
  }

  /** Whether somebody follows, for whom a total is worth some work. */
  get isFollowed(): boolean {
    return this.#options.onProgress !== undefined;
  }

  isOver(): boolean {
    return this.#now() >= this.#end;
  }

  isDue(): boolean {
    return this.#now() - this.#turnAt >= this.#turnMilliseconds;
  }

  tell(progress: Progress): void {
    this.#options.onProgress?.(progress);
  }

  /** @throws ABORTED */
  async turn(): Promise<void> {
    if (this.#courtesy) this.#turnMilliseconds = await this.#courtesy.giveWay(this.#now() - this.#turnAt);
    else await new Promise<void>((resolve) => setImmediate(resolve));
    throwIfAborted(this.#options.signal);
    this.#turnAt = this.#now();
  }

  /** For who can't give way here, or need not. @throws ABORTED */
  check(): void {
    throwIfAborted(this.#options.signal);
  }

  /** The walk waited for something, and left the event loop alone meanwhile. */
  waited(): void {
    this.#turnAt = this.#now();
  }

  #now(): number {
    return this.#courtesy?.now() ?? performance.now();
  }
}

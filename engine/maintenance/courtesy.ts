/** Milliseconds that a walk keeps the event loop waiting at a time. */
export const SLICE_MILLISECONDS = 1.5;
/** Where others take long themselves, a longer slice is not what hurts them. */
const SLICE_MILLISECONDS_MAX = 5;
/** Where it can be, a slice is no shorter than this part of the rest before it: a third of the time is the walk's. */
const SLICES_PER_REST = 0.5;
/** What was said to be spent may have been a wait. */
const REST_MILLISECONDS_MAX = 10;
/** Others want the loop when they use this part of a rest; the rest itself takes less. */
const BUSY_PART = 0.05;
/** Nobody else wanted the loop: so many slices follow one another before the next look. */
const SLICES_ALONE = 32;

/** What a walk sees of the event loop; a test gives another. */
export interface EventLoop {
  /** Milliseconds, from some moment on. */
  now(): number;
  /** For how much of them the loop had nothing to do. */
  idle(): number;
  /** Resolves behind one turn. */
  turn(): Promise<void>;
  /** Resolves behind one turn, or a millisecond where nobody wants one. */
  pause(): Promise<void>;
}

const eventLoop: EventLoop = {
  now: () => performance.now(),
  idle: () => performance.eventLoopUtilization().idle,
  turn: () => new Promise((resolve) => setImmediate(resolve)),
  pause: () => new Promise((resolve) => setTimeout(resolve, 1)),
};

/** As the other, for work that nobody waits for: a process whose own work is done ends all the same. */
export const forgettableLoop: EventLoop = {
  ...eventLoop,
  turn: () => new Promise((resolve) => setTimeout(resolve, 0).unref()),
  pause: () => new Promise((resolve) => setTimeout(resolve, 1).unref()),
};

/**
 * How long work beside others rests. A walk that gives way for one turn of the event loop at a time is met by everybody
 * else in every turn. So it leaves the loop alone for as long as it had it, and others see it now and then. Where they
 * don't want the loop, as a look at its idle time says, it goes on at once. It always goes on: behind a rest that others
 * made long comes a longer slice.
 */
export class Courtesy {
  readonly #loop: EventLoop;
  #slicesAlone = 0;

  constructor(loop: EventLoop = eventLoop) {
    this.#loop = loop;
  }

  now(): number {
    return this.#loop.now();
  }

  /** @param spent milliseconds that the walk had the loop @returns how many it may have it next */
  async giveWay(spent: number): Promise<number> {
    const loop = this.#loop;
    if (this.#slicesAlone > 0) {
      this.#slicesAlone--;
      await loop.turn();
      return SLICE_MILLISECONDS;
    }
    const begin = loop.now();
    const idle = loop.idle();
    // A timer reckons from when the turn of the loop began, so it may be over at once.
    do await loop.pause();
    while (loop.now() - begin < Math.min(spent, REST_MILLISECONDS_MAX));
    const rested = loop.now() - begin;
    const others = rested - (loop.idle() - idle);
    if (others < BUSY_PART * rested) this.#slicesAlone = SLICES_ALONE;
    return Math.min(SLICE_MILLISECONDS_MAX, Math.max(SLICE_MILLISECONDS, rested * SLICES_PER_REST));
  }
}

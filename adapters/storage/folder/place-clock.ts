import { open, rm } from "node:fs/promises";
import type { Layout } from "./layout.ts";

/** Clocks drift apart by less than a step in this time. */
const FRESH_MILLISECONDS = 60_000;
/** Less is the step of the clock that files are told the time by, not another clock. */
const STEP_MILLISECONDS = 100;

/** The clock that files are told the time by: on a network file system that of another machine. */
export class PlaceClock {
  readonly #layout: Layout;
  /** What it is ahead of ours. */
  #ahead: Promise<number> | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** Milliseconds since 1970, asked now: what is removed goes by it, and somebody may have set either clock since. */
  async now(): Promise<number> {
    this.#askedAt = performance.now();
    const asked = this.#ask();
    this.#ahead = asked;
    asked.catch(() => {
      if (this.#ahead === asked) this.#ahead = undefined;
    });
    return Date.now() + (await asked);
  }

  /** The same for every put, so asked once in a while only. */
  async nowAbout(): Promise<number> {
    if (!this.#ahead || performance.now() - this.#askedAt > FRESH_MILLISECONDS) return this.now();
    return Date.now() + (await this.#ahead);
  }

  async #ask(): Promise<number> {
    const path = this.#layout.newTemporary("clock");
    const before = Date.now();
    const file = await open(path, "wx");
    try {
      const { mtimeMs } = await file.stat();
      const ahead = mtimeMs - (before + Date.now()) / 2;
      return Math.abs(ahead) < STEP_MILLISECONDS ? 0 : Math.round(ahead);
    } finally {
      await file.close();
      await rm(path, { force: true });
    }
  }
}

/** What one harness was told to do. */
export interface HarnessOptions {
  /** Decides everything that is drawn at random, so that a run can be repeated as far as the machine allows. */
  seed: number;
  /** When to come to an end, as `Date.now()` gives it. What is under way then is finished and checked first. */
  until: number;
  /** So many of what `counted` names are enough: it may end then. */
  enough?: number;
}

/** What came out of it. */
export interface HarnessResult {
  /** What was done how often, such as `{ kills: 812, checks: 97 }`. */
  counts: Record<string, number>;
  /** Each promise that was found broken, in one line that says how to see it again; empty when all is well. */
  violations: string[];
}

/**
 * A way to mistreat stores and to look whether their promises still hold. CI runs a short share of each in tests;
 * `npm run torture` runs them for as long as is asked for. A harness leaves no folder and no process behind.
 */
export interface Harness {
  /** Short, in lower case with hyphens: `--only` takes it, and it stands in the table of figures. */
  name: string;
  /** What `enough` counts, where it heeds that. */
  counted?: string;
  /**
   * Runs until the time is up or it is enough, at least one round. A broken promise is a violation and not an error: it throws only
   * when the harness itself can't work. What the machine refuses (namespaces, tracing) is a count named `skipped: …`.
   */
  run(options: HarnessOptions): Promise<HarnessResult>;
}

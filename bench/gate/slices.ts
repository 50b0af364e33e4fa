/** A little of each hot workload at a time, in a process that stays: sides can take turns many times in a second. */

import { CALLERS, HOT_NAMES } from "../../cli/bench/hot-paths.ts";
import {
  type Bounds,
  type Measurement,
  processorSecondsSince,
  timeCallers,
  timeEach,
  timeTogether,
} from "../../cli/bench/measure.ts";
import type { OpenSubject } from "../../cli/bench/subject.ts";
import { EntrySource, nameOf, type ValueOptions } from "../../cli/bench/values.ts";
import { randomNames } from "../random-names.ts";

/** The hot ones, of which little escapes that makes anything slower. */
export const sliced = ["load", "load-random", "save", "save-one", "list"] as const;
export type Sliced = (typeof sliced)[number];

/** Operations of a slice, which takes some hundredths of a second; of saves in flight one of each caller. */
const OPERATIONS: Record<Sliced, number> = {
  load: 8_000,
  "load-random": 4_000,
  save: CALLERS,
  "save-one": 40,
  list: 1,
};
/** Of the processor, until code is compiled for what it does; on a busy machine not for ever. */
const WARM_UP_SECONDS = 0.4;
const WARM_UP_SECONDS_MAX = 4;

const sliceOf = (name: Sliced): Bounds => ({
  seconds: Number.POSITIVE_INFINITY,
  operations: OPERATIONS[name],
});

export class Slices {
  readonly #steps: Record<Sliced, () => Promise<Measurement>>;
  readonly #warm = new Set<Sliced>();

  /** @param filled is read, and has so many entries; `scratch` is saved to */
  constructor(filled: OpenSubject, scratch: OpenSubject, options: ValueOptions & { filled: number }) {
    const entries = new EntrySource(options);
    const hot = Array.from({ length: HOT_NAMES }, (_, run) => nameOf(run));
    const random = randomNames(options.filled, options.seed);
    const save = (): unknown => {
      const { name, value } = entries.next();
      return scratch.save(name, value);
    };
    this.#steps = {
      load: () => timeTogether(sliceOf("load"), (index) => filled.load(hot[index % HOT_NAMES]!)),
      "load-random": inOrder(random, (name) => filled.load(name)),
      save: () => timeCallers(CALLERS, sliceOf("save"), save),
      "save-one": () => timeEach(sliceOf("save-one"), save),
      list: () => timeEach(sliceOf("list"), () => filled.list()),
    };
  }

  async next(name: Sliced): Promise<Measurement> {
    const step = this.#steps[name];
    if (!this.#warm.has(name)) await warmUp(step);
    this.#warm.add(name);
    return step();
  }
}

async function warmUp(step: () => Promise<Measurement>): Promise<void> {
  const processor = process.cpuUsage();
  const end = performance.now() + WARM_UP_SECONDS_MAX * 1_000;
  while (processorSecondsSince(processor) < WARM_UP_SECONDS && performance.now() < end) await step();
}

/** Goes on where the slice before ended. */
function inOrder(names: readonly string[], load: (name: string) => unknown): () => Promise<Measurement> {
  let at = 0;
  return () => timeTogether(sliceOf("load-random"), () => load(names[at++ % names.length]!));
}

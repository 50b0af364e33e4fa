/** Runs operations for a bounded time and number, and tells how long they took. */

import { setImmediate } from "node:timers/promises";
import { type Latency, latencyOf } from "./statistics.ts";

export interface Bounds {
  seconds: number;
  operations: number;
  signal?: AbortSignal;
}

export interface Measurement {
  operations: number;
  seconds: number;
  /** Of all threads of the process. */
  processorSeconds?: number;
  /** Of one operation, where each was timed. */
  latency?: Latency;
}

export function rateOf({ operations, seconds }: Measurement): number {
  return operations / seconds;
}

type IndexedOperation = (index: number) => unknown;

/** Between two looks at the clock, so that the clock isn't measured: as many operations as take a millisecond, at most. */
const CHUNK_OPERATIONS_MAX = 1_000;
const CHUNK_MILLISECONDS = 1;
/** After so long the event loop gets a turn; its time doesn't count. */
const TURN_MILLISECONDS = 10;

/** One after another, each timed: a clock reading takes some 40 ns, so not for what takes a microsecond. */
export async function timeEach(bounds: Bounds, operation: IndexedOperation): Promise<Measurement> {
  const durations: number[] = [];
  const timer = new BoundedTimer(bounds);
  while (timer.goesOn(durations.length)) {
    const begin = performance.now();
    let end = begin;
    while (end - begin < TURN_MILLISECONDS && durations.length < bounds.operations) {
      const result = operation(durations.length);
      if (result instanceof Promise) await result;
      const now = performance.now();
      durations.push(now - end);
      end = now;
    }
    timer.add(end - begin);
    await setImmediate();
  }
  const { seconds, processorSeconds } = timer;
  return { operations: durations.length, seconds, processorSeconds, latency: latencyOf(durations) };
}

/** One after another, timed by the chunk. */
export async function timeTogether(bounds: Bounds, operation: IndexedOperation): Promise<Measurement> {
  let done = 0;
  let chunk = 1;
  const timer = new BoundedTimer(bounds);
  while (timer.goesOn(done)) {
    const begin = performance.now();
    let now = begin;
    while (now - begin < TURN_MILLISECONDS && done < bounds.operations) {
      for (const end = Math.min(done + chunk, bounds.operations); done < end; done++) {
        const result = operation(done);
        if (result instanceof Promise) await result;
      }
      const before = now;
      now = performance.now();
      if (now - before < CHUNK_MILLISECONDS) chunk = Math.min(chunk * 2, CHUNK_OPERATIONS_MAX);
    }
    timer.add(now - begin);
    await setImmediate();
  }
  return { operations: done, seconds: timer.seconds, processorSeconds: timer.processorSeconds };
}

/** By so many callers at a time, each of whom waits for its own before the next. */
export async function timeCallers(
  callers: number,
  bounds: Bounds,
  operation: IndexedOperation,
): Promise<Measurement> {
  const durations: number[] = [];
  let begun = 0;
  const processor = process.cpuUsage();
  const begin = performance.now();
  const end = begin + bounds.seconds * 1_000;
  const caller = async (): Promise<void> => {
    for (let now = performance.now(); now < end && begun < bounds.operations; now = performance.now()) {
      bounds.signal?.throwIfAborted();
      await operation(begun++);
      durations.push(performance.now() - now);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const seconds = (performance.now() - begin) / 1_000;
  const processorSeconds = processorSecondsSince(processor);
  return { operations: durations.length, seconds, processorSeconds, latency: latencyOf(durations) };
}

export function processorSecondsSince(begin: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / 1_000_000;
}

class BoundedTimer {
  readonly #bounds: Bounds;
  readonly #processor = process.cpuUsage();
  #milliseconds = 0;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  get seconds(): number {
    return this.#milliseconds / 1_000;
  }

  get processorSeconds(): number {
    return processorSecondsSince(this.#processor);
  }

  goesOn(done: number): boolean {
    this.#bounds.signal?.throwIfAborted();
    return done < this.#bounds.operations && this.seconds < this.#bounds.seconds;
  }

  add(milliseconds: number): void {
    this.#milliseconds += milliseconds;
  }
}

/** Hot paths by the package `benchmark`: as many samples as its statistics want, within the time given. */

import Benchmark from "benchmark";
import {
  type Bounds,
  type Measurement,
  processorSecondsSince,
  timeEach,
  timeTogether,
} from "../cli/bench/measure.ts";
import { median } from "../cli/bench/statistics.ts";

/** Of one cycle, so that what the package itself needs for a cycle isn't measured. */
const OPERATIONS = 1_000;
const WARM_UP = 0.3;

/** The rate is that of the median sample; the latencies are of a second, shorter pass with a clock around each operation. */
export async function benchmarkHotPath(
  bounds: Bounds,
  operation: (index: number) => unknown,
): Promise<Measurement> {
  let done = 0;
  const cycle = async (): Promise<void> => {
    for (const end = done + OPERATIONS; done < end; done++) {
      const result = operation(done);
      if (result instanceof Promise) await result;
    }
  };
  await timeTogether({ ...bounds, seconds: bounds.seconds * WARM_UP }, operation);
  const before = done;
  const processor = process.cpuUsage();
  const { samples, cycles } = await runBenchmark(cycle, bounds.seconds);
  const processorSecondsEach = processorSecondsSince(processor) / (done - before);
  const each = await timeEach({ ...bounds, seconds: bounds.seconds / 4 }, operation);
  const operations = cycles * OPERATIONS;
  return {
    operations,
    seconds: (median(samples) / OPERATIONS) * operations,
    processorSeconds: processorSecondsEach * operations,
    latency: each.latency!,
  };
}

interface Outcome {
  /** Seconds of a cycle. */
  samples: number[];
  cycles: number;
}

function runBenchmark(cycle: () => Promise<void>, seconds: number): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const benchmark = new Benchmark("hot path", {
      defer: true,
      maxTime: seconds,
      minTime: Math.min(0.05, seconds / 5),
      fn: (deferred: { resolve(): void }) => {
        cycle().then(() => deferred.resolve(), reject);
      },
      onError: () => reject(benchmark.error),
      onComplete: () => {
        const samples = benchmark.stats.sample;
        resolve({ samples, cycles: samples.length * benchmark.count });
      },
    });
    benchmark.run({ async: true });
  });
}

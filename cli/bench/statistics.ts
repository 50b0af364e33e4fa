/** Figures from samples. */

/** In ascending order, as a copy. */
export function sorted(samples: readonly number[]): Float64Array {
  return Float64Array.from(samples).sort();
}

/** The value that a share of the samples (`0.5`: half) does not exceed: the nearest rank, so one of the samples. */
export function quantile(ascending: ArrayLike<number>, share: number): number {
  const rank = Math.ceil(share * ascending.length);
  return ascending[Math.min(Math.max(rank, 1), ascending.length) - 1] ?? Number.NaN;
}

/** The middle sample, or the mean of the two in the middle. */
export function median(samples: readonly number[]): number {
  const ascending = sorted(samples);
  const middle = ascending.length >> 1;
  if (ascending.length % 2 === 1) return ascending[middle]!;
  return ascending.length === 0 ? Number.NaN : (ascending[middle - 1]! + ascending[middle]!) / 2;
}

export interface Spread {
  median: number;
  min: number;
  max: number;
}

export function spreadOf(samples: readonly number[]): Spread {
  const ascending = sorted(samples);
  return { median: median(samples), min: quantile(ascending, 0), max: quantile(ascending, 1) };
}

/** Microseconds. */
export interface Latency {
  p50: number;
  p90: number;
  p99: number;
  p999: number;
  max: number;
}

/** From durations in milliseconds. */
export function latencyOf(milliseconds: readonly number[]): Latency {
  const ascending = sorted(milliseconds);
  const at = (share: number): number => quantile(ascending, share) * 1_000;
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1) };
}

/** Logs of both shapes, damaged one after the other. */
import type { HarnessResult } from "./harness.ts";

/** @param until when to end, as `Date.now()` gives it */
type Run = (what: string, segmentBytesMax: number | undefined, until: number) => Promise<HarnessResult>;

/**
 * A log of one segment, then one of many small ones; what is counted has the shape behind its name.
 * @param share of the time for the first one
 */
export async function withBothLogs(until: number, share: number, run: Run): Promise<HarnessResult> {
  const counts: Record<string, number> = {};
  const violations: string[] = [];
  const middle = Date.now() + (until - Date.now()) * share;
  for (const [what, segmentBytesMax, end] of [
    ["one segment", undefined, middle],
    ["small segments", 1200, until],
  ] as const) {
    const result = await run(what, segmentBytesMax, end);
    for (const [name, count] of Object.entries(result.counts)) counts[`${name}, ${what}`] = count;
    violations.push(...result.violations);
  }
  return { counts, violations };
}

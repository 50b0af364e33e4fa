/** What a save and a load can't be faster than: the bare costs of the disk and the processor, measured alone. */

import { createHash } from "node:crypto";
import { closeSync, fdatasyncSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { fromBytes, toBytes } from "./cbor.ts";
import { type Bounds, type Measurement, rateOf, timeEach, timeTogether } from "./measure.ts";
import type { Latency } from "./statistics.ts";
import { EntrySource, type ValueOptions } from "./values.ts";

/** Microseconds of one operation. */
export interface Limits {
  /** Appending a value to a file and `fdatasync`, each time. */
  flush: Latency;
  sha256: number;
  encode: number;
  decode: number;
  /** Reading a value from a file that the operating system has in memory. */
  read: number;
}

export async function measureLimits(folder: string, bounds: Bounds, options: ValueOptions): Promise<Limits> {
  const { value } = new EntrySource(options).next();
  const bytes = toBytes(value);
  const path = join(folder, "flush");
  const file = openSync(path, "w+");
  try {
    const buffer = Buffer.alloc(bytes.length);
    const flushes = await timeEach(bounds, () => appendAndFlush(file, bytes));
    const rest = { ...bounds, seconds: bounds.seconds / 4 };
    return {
      flush: flushes.latency!,
      sha256: microseconds(await timeTogether(rest, () => createHash("sha256").update(bytes).digest())),
      encode: microseconds(await timeTogether(rest, () => toBytes(value))),
      decode: microseconds(await timeTogether(rest, () => fromBytes(bytes))),
      read: microseconds(await timeTogether(rest, () => readSync(file, buffer, 0, buffer.length, 0))),
    };
  } finally {
    closeSync(file);
    rmSync(path, { force: true });
  }
}

function appendAndFlush(file: number, bytes: Buffer): void {
  writeSync(file, bytes);
  fdatasyncSync(file);
}

function microseconds(measurement: Measurement): number {
  return 1_000_000 / rateOf(measurement);
}

import { readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Random } from "./random.ts";

/** Segments of a home, the first first. */
export function segmentsOf(home: string): string[] {
  const folder = join(home, "log");
  return readdirSync(folder)
    .filter((name) => name.endsWith(".varve"))
    .sort()
    .map((name) => join(folder, name));
}

/** A value that is found in the log, and damaged there, by its number: too long for a row of the index. */
export const marked = (n: number) => `MARK-${String(n).padStart(4, "0")}-${"x".repeat(400)}`;

export function flipByte(file: string, offset: number): void {
  const bytes = readFileSync(file);
  bytes[offset]! ^= 0xff;
  writeFileSync(file, bytes);
}

export function flipSomeBit(bytes: Buffer, random: Random): void {
  bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
}

/** Flips a byte inside the first place where `needle` is found. */
export function damageText(file: string, needle: string | Uint8Array): void {
  const at = readFileSync(file).indexOf(needle);
  if (at < 0) throw new Error(`not found in ${file}`);
  flipByte(file, at + 2);
}

export function cutFile(file: string, size: number): void {
  truncateSync(file, size);
}

export function sizeOf(file: string): number {
  return readFileSync(file).length;
}

import { hash } from "node:crypto";

/**
 * Where a long value is cut into chunks. A cut depends on the 32 bytes before it and on how far back the cut before it
 * lies, so behind a change the old cuts come back, and with them the old chunks.
 *
 * All of this is part of the format: a store that cut in another way would find nothing of what is there.
 */

/** No chunk is shorter, but for the last one of a value. */
export const CHUNK_BYTES_MIN = 32 * 1024;
/** Up to here cuts are rare, behind it common: so most chunks have about this length. */
export const CHUNK_BYTES_NORMAL = 48 * 1024;
/** No chunk is longer. */
export const CHUNK_BYTES_MAX = 256 * 1024;
/** Of chunks of random bytes, for estimates. */
export const CHUNK_BYTES_AVERAGE = 61 * 1024;

/** A cut is where these many highest bits of the gear hash are zero. */
const BITS_RARE = 17;
const BITS_COMMON = 14;
const RARE = -1 << (32 - BITS_RARE);
const COMMON = -1 << (32 - BITS_COMMON);

/** Each step shifts the hash by a bit, so of what is further back nothing is left in it. */
const WINDOW_BYTES = 32;

/** One number for each byte: the first four bytes, little-endian, of the SHA-256 of the text `varve gear 0` … `varve gear 255`. */
export function gearTable(): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) =>
    hash("sha256", `varve gear ${byte}`, "buffer").readInt32LE(0),
  );
}

/** Made by the first long value: 256 digests are more than many a process does otherwise. */
let gearNumbers: Int32Array | undefined;

/**
 * The end of the chunk that begins at `from`.
 * @param end of the bytes that are there; `isLast` says that no more will follow
 * @returns undefined when it takes more bytes to tell: at most `CHUNK_BYTES_MAX` behind `from`
 */
export function nextCut(bytes: Uint8Array, from: number, end: number, isLast: boolean): number | undefined {
  const there = end - from;
  // Nothing is kept between calls, so how the bytes come in pieces can't matter.
  if (there < CHUNK_BYTES_MAX && !isLast) return undefined;
  if (there <= CHUNK_BYTES_MIN) return end;
  const last = from + Math.min(there, CHUNK_BYTES_MAX);
  const normal = Math.min(from + CHUNK_BYTES_NORMAL, last);
  return (
    firstCut(bytes, from + CHUNK_BYTES_MIN, normal, RARE) ?? firstCut(bytes, normal, last, COMMON) ?? last
  );
}

/**
 * The first cut behind `start`, at most at `end`.
 *
 * Four bytes a step, in two pairs: a byte's hash is not waited for to begin with the next pair, and the end of the loop
 * is looked for a fourth as often. This is half as fast again as the plain loop at the end.
 */
function firstCut(bytes: Uint8Array, start: number, end: number, mask: number): number | undefined {
  gearNumbers ??= gearTable();
  const numbers = gearNumbers;
  let gear = 0;
  let at = start - WINDOW_BYTES;
  for (; at < start; at++) gear = ((gear << 1) + numbers[bytes[at]!]!) | 0;
  for (; at + 3 < end; at += 4) {
    const a = numbers[bytes[at]!]!;
    const b = numbers[bytes[at + 1]!]!;
    const first = ((gear << 1) + a) | 0;
    const second = ((gear << 2) + (((a << 1) + b) | 0)) | 0;
    if ((first & mask) === 0) return at + 1;
    if ((second & mask) === 0) return at + 2;
    const c = numbers[bytes[at + 2]!]!;
    const d = numbers[bytes[at + 3]!]!;
    const third = ((second << 1) + c) | 0;
    gear = ((second << 2) + (((c << 1) + d) | 0)) | 0;
    if ((third & mask) === 0) return at + 3;
    if ((gear & mask) === 0) return at + 4;
  }
  for (; at < end; at++) {
    gear = ((gear << 1) + numbers[bytes[at]!]!) | 0;
    if ((gear & mask) === 0) return at + 1;
  }
  return undefined;
}

import createXxhash from "xxhash-wasm";
import { HashMemory } from "./hash-memory.ts";
import { isUint64At } from "./numbers.ts";
import { xxh32 } from "./xxh32.ts";

const xxhash = await createXxhash();

/** The WebAssembly memory grows to the largest single input and never shrinks, so long inputs go through in pieces. */
const PIECE_BYTES = 1024 * 1024;

/**
 * XXH64 of `bytes`. It finds accidents, not attackers: content is addressed by SHA-256.
 * The seed is the salt of the segment that the bytes lie in.
 */
export function checksum(bytes: Uint8Array, seed: bigint): bigint {
  const isShared = bytes.length >= SHARED_BYTES_MIN && bytes.buffer instanceof SharedArrayBuffer;
  if (bytes.length <= PIECE_BYTES) return xxhash.h64Raw(isShared ? unshared(bytes) : bytes, seed);
  const state = xxhash.create64(seed);
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    const piece = bytes.subarray(at, at + PIECE_BYTES);
    state.update(isShared ? unshared(piece) : piece);
  }
  return state.digest();
}

/** Of fewer it does not matter where they lie. */
const SHARED_BYTES_MIN = 4 * 1024;
const WORD_BYTES = 8;
/** Made by the first who needs it. */
let copied: Uint8Array | undefined;

/**
 * A copy of at most a piece, valid until the next one. V8 copies from memory that threads share byte by byte, at 1.4 GiB/s, where
 * xxhash-wasm would have it; but word by word, ten times as fast, to a place that lies as far behind a word's beginning.
 */
function unshared(bytes: Uint8Array): Uint8Array {
  copied ??= new Uint8Array(PIECE_BYTES + WORD_BYTES);
  const shift = bytes.byteOffset % WORD_BYTES;
  copied.set(bytes, shift);
  return copied.subarray(shift, shift + bytes.length);
}

/** Headers are shorter. */
const COPIED_BYTES_MAX = 128;
/** Arrays of each such length, made when they are needed. */
const copies: Uint8Array[] = [];

/**
 * XXH64 of the bytes from `start` to `end`. Few are copied, byte after byte, into an array that is used again: to make one
 * over them takes longer, and it is garbage. A bare array is made in half the time of a Buffer.
 */
export function checksumWithin(bytes: Uint8Array, start: number, end: number, seed: bigint): bigint {
  const length = end - start;
  if (length <= COPIED_BYTES_MAX) {
    copies[length] ??= new Uint8Array(length);
    const copy = copies[length];
    for (let i = 0; i < length; i++) copy[i] = bytes[start + i]!;
    return xxhash.h64Raw(copy, seed);
  }
  return checksum(new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start), seed);
}

/** There is one in each thread: V8 gives such memory back late. Made when somebody wants it. */
let hashMemory: HashMemory | undefined;
let isHashMemoryWanted = true;

/** Memory in which `isChecksumAt` is faster, for whoever asks it millions of times. To be given back. */
export function borrowHashMemory(): HashMemory | undefined {
  if (!isHashMemoryWanted) return undefined;
  isHashMemoryWanted = false;
  hashMemory ??= HashMemory.make();
  return hashMemory;
}

export function giveBackHashMemory(): void {
  isHashMemoryWanted = hashMemory !== undefined;
}

/** Whether the XXH64 of the bytes from `start` to `end` stands at `at`. */
export function isChecksumAt(
  bytes: Uint8Array,
  start: number,
  end: number,
  seed: bigint,
  at: number,
): boolean {
  if (bytes === hashMemory?.bytes) return hashMemory.isSumAt(start, end, seed, at);
  return isUint64At(bytes, checksumWithin(bytes, start, end, seed), at);
}

export interface RunningChecksum {
  update(piece: Uint8Array): void;
  digest(): bigint;
}

/** A checksum over bytes that come in pieces of at most 1 MiB. */
export function runningChecksum(seed: bigint): RunningChecksum {
  const state = xxhash.create64(seed);
  return { update: (piece) => void state.update(piece), digest: () => state.digest() };
}

/** Up to here JavaScript alone is faster than the way into WebAssembly and back. */
const SHORT_BYTES = 256;

/** XXH32 for rows of the index: a number, where a bigint would cost more than the hash. */
export function rowChecksum(bytes: Uint8Array): number {
  return bytes.length <= SHORT_BYTES ? xxh32(bytes, 0, bytes.length) : xxhash.h32Raw(bytes, 0);
}

export function rowChecksumWithin(bytes: Uint8Array, start: number, end: number): number {
  if (end - start <= SHORT_BYTES) return xxh32(bytes, start, end);
  return xxhash.h32Raw(new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start), 0);
}

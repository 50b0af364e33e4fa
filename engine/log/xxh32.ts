/**
 * XXH32 with seed 0 in plain JavaScript: its numbers have 32 bits, so a short input is done before it would have got into
 * WebAssembly. (XXH64 would need 64.)
 */

const PRIME_1 = 0x9e3779b1 | 0;
const PRIME_2 = 0x85ebca77 | 0;
const PRIME_3 = 0xc2b2ae3d | 0;
const PRIME_4 = 0x27d4eb2f | 0;
const PRIME_5 = 0x165667b1 | 0;
const STRIPE_BYTES = 16;

export function xxh32(bytes: Uint8Array, start: number, end: number): number {
  const stripesEnd = end - ((end - start) % STRIPE_BYTES);
  let sum = (end - start >= STRIPE_BYTES ? stripes(bytes, start, stripesEnd) : PRIME_5) + (end - start);
  let at = Math.max(start, stripesEnd);
  for (; at + 4 <= end; at += 4) {
    sum = (sum + Math.imul(wordAt(bytes, at), PRIME_3)) | 0;
    sum = Math.imul((sum << 17) | (sum >>> 15), PRIME_4);
  }
  for (; at < end; at++) {
    sum = (sum + Math.imul(bytes[at]!, PRIME_5)) | 0;
    sum = Math.imul((sum << 11) | (sum >>> 21), PRIME_1);
  }
  sum = Math.imul(sum ^ (sum >>> 15), PRIME_2);
  sum = Math.imul(sum ^ (sum >>> 13), PRIME_3);
  return (sum ^ (sum >>> 16)) >>> 0;
}

function stripes(bytes: Uint8Array, start: number, end: number): number {
  let a = (PRIME_1 + PRIME_2) | 0;
  let b = PRIME_2;
  let c = 0;
  let d = -PRIME_1 | 0;
  for (let at = start; at < end; at += STRIPE_BYTES) {
    a = round(a, wordAt(bytes, at));
    b = round(b, wordAt(bytes, at + 4));
    c = round(c, wordAt(bytes, at + 8));
    d = round(d, wordAt(bytes, at + 12));
  }
  a = (a << 1) | (a >>> 31);
  b = (b << 7) | (b >>> 25);
  c = (c << 12) | (c >>> 20);
  d = (d << 18) | (d >>> 14);
  return (a + b + c + d) | 0;
}

function round(lane: number, word: number): number {
  const sum = (lane + Math.imul(word, PRIME_2)) | 0;
  return Math.imul((sum << 13) | (sum >>> 19), PRIME_1);
}

function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

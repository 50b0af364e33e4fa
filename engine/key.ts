import { VarveError } from "./errors.ts";
import { APPLICATION_SPACE } from "./index/rows.ts";
import { KEY_BYTES_MAX } from "./log/format.ts";

/**
 * Keys of the key-value engine as bytes whose order is the documented one:
 * numbers by value, then strings by code point, then bytes, then arrays, element by element, a prefix before what it
 * begins. Byte for byte in FORMAT.md, "Keys of the key-value engine".
 */
export type Key = string | number | Uint8Array | readonly (string | number)[];

const END = 0x00;
/** Follows a zero that belongs to the text or bytes themselves. */
const ESCAPED_ZERO = 0xff;
const NUMBER = APPLICATION_SPACE + 0x10;
const STRING = APPLICATION_SPACE + 0x20;
const BYTES = APPLICATION_SPACE + 0x30;
const ARRAY = APPLICATION_SPACE + 0x40;
/** Bigger than any type byte: no key is behind it. */
export const KEYS_END = APPLICATION_SPACE + 0x50;

/** @throws INVALID_ARGUMENT for what is no key, or too long. */
export function encodeKey(key: Key): Buffer {
  const bytes = Array.isArray(key)
    ? Buffer.concat([Uint8Array.of(ARRAY), ...key.map(encodeElement), Uint8Array.of(END)])
    : encodeElement(key as string | number | Uint8Array);
  if (bytes.length <= KEY_BYTES_MAX) return bytes;
  throw badKey(
    `has ${bytes.length} bytes when encoded`,
    `a key has at most ${KEY_BYTES_MAX}; use a digest of it`,
  );
}

function encodeElement(element: string | number | Uint8Array): Buffer {
  if (typeof element === "number") return encodeNumber(element);
  if (typeof element === "string") return encodeText(element);
  if (element instanceof Uint8Array) return encodeBytes(BYTES, element);
  throw badKey(
    `is ${element === null ? "null" : typeof element}`,
    "a key is a string, a number, a Uint8Array, or an array of strings and numbers",
  );
}

/** IEEE 754 with the sign turned so that bytes sort as numbers do. -0 is 0. */
function encodeNumber(number: number): Buffer {
  if (Number.isNaN(number)) throw badKey("is NaN", "NaN has no place in an order");
  const bytes = Buffer.alloc(9);
  bytes[0] = NUMBER;
  bytes.writeDoubleBE(number === 0 ? 0 : number, 1);
  if (bytes[1]! & 0x80) for (let i = 1; i < 9; i++) bytes[i] = ~bytes[i]!;
  else bytes[1]! |= 0x80;
  return bytes;
}

/** Most texts are ASCII without zeros, and short: character by character they are there sooner than by calls of native code. */
function encodeText(text: string): Buffer {
  const bytes = Buffer.allocUnsafe(text.length + 2);
  bytes[0] = STRING;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === 0 || unit > 0x7f) return encodeOtherText(text);
    bytes[1 + i] = unit;
  }
  bytes[text.length + 1] = END;
  return bytes;
}

function encodeOtherText(text: string): Buffer {
  if (!text.isWellFormed()) throw badKey("has a lone surrogate", "use well-formed text, or bytes");
  return encodeBytes(STRING, Buffer.from(text));
}

function encodeBytes(type: number, raw: Uint8Array): Buffer {
  const out: number[] = [type];
  for (const byte of raw) {
    out.push(byte);
    if (byte === 0) out.push(ESCAPED_ZERO);
  }
  out.push(END);
  return Buffer.from(out);
}

export function decodeKey(bytes: Buffer): Key {
  if (bytes[0] !== ARRAY) return decodeElement(bytes, 0).element;
  const elements: (string | number)[] = [];
  let at = 1;
  while (bytes[at] !== END) {
    const { element, end } = decodeElement(bytes, at);
    elements.push(element as string | number);
    at = end;
  }
  return elements;
}

/** The text that is the whole key, if it is one. */
export function textOfKey(key: Uint8Array): string | undefined {
  if (key[0] !== STRING) return undefined;
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.byteLength);
  const isPlain = bytes.indexOf(END) === bytes.length - 1;
  return isPlain ? bytes.toString("utf8", 1, bytes.length - 1) : (decodeKey(bytes) as string);
}

function decodeElement(bytes: Buffer, at: number): { element: string | number | Uint8Array; end: number } {
  if (bytes[at] === NUMBER) return { element: decodeNumber(bytes, at + 1), end: at + 9 };
  const raw: number[] = [];
  let i = at + 1;
  for (; bytes[i] !== END || bytes[i + 1] === ESCAPED_ZERO; i++) {
    raw.push(bytes[i]!);
    if (bytes[i] === 0) i++;
  }
  const content = Buffer.from(raw);
  return { element: bytes[at] === STRING ? content.toString() : new Uint8Array(content), end: i + 1 };
}

function decodeNumber(bytes: Buffer, at: number): number {
  const copy = Buffer.from(bytes.subarray(at, at + 8));
  if (copy[0]! & 0x80) copy[0]! &= 0x7f;
  else for (let i = 0; i < 8; i++) copy[i] = ~copy[i]!;
  return copy.readDoubleBE();
}

/** All keys that begin with `prefix`: strings and bytes that do, arrays whose first elements are those. */
export function prefixRange(prefix: string | Uint8Array | readonly (string | number)[]): {
  start: Buffer;
  end: Buffer;
} {
  // Without the end mark, what follows may be more of the same string, or another element.
  const start = encodeKey(prefix).subarray(0, -1);
  // Behind a whole string an escaped zero would be more of that string: only an end or a type may follow.
  if (Array.isArray(prefix)) return { start, end: Buffer.concat([start, Uint8Array.of(ESCAPED_ZERO)]) };
  const end = Buffer.from(start);
  let last = end.length - 1;
  while (end[last] === 0xff) last--;
  end[last]!++;
  return { start, end: end.subarray(0, last + 1) };
}

function badKey(what: string, hint: string): VarveError {
  return new VarveError("INVALID_ARGUMENT", `the key ${what}`, { hint });
}

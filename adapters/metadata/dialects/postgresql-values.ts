import type { ColumnKind } from "../schema.ts";

/** Values in the binary format of PostgreSQL's protocol: arrays and rows to be copied are made of them. */

export const LENGTH_BYTES = 4;
const NUMBER_BYTES = 8;
const SMALL_BYTES = 2;
/** Of one character of JavaScript. */
const UTF8_BYTES_MAX = 3;
const NULL = -1;
const ASCII_MAX = 0x7f;
/** A longer text is written faster by a native call. */
const LOOP_MAX = 24;

/** Enough: the bytes of a text are known when it is written. */
export function roomFor(value: unknown): number {
  if (typeof value === "string") return LENGTH_BYTES + UTF8_BYTES_MAX * value.length;
  return LENGTH_BYTES + (value instanceof Uint8Array ? value.length : NUMBER_BYTES);
}

/**
 * Its length, and itself; of a missing one the length alone.
 * @param value as the kind says, or null
 * @returns the place behind it
 */
export function putValue(bytes: Buffer, kind: ColumnKind, value: unknown, at: number): number {
  if (value === null || value === undefined) return putInt32(bytes, NULL, at);
  const start = at + LENGTH_BYTES;
  const length = put(bytes, kind, value, start);
  putInt32(bytes, length, at);
  return start + length;
}

export function putInt32(bytes: Buffer, value: number, at: number): number {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
  return at + LENGTH_BYTES;
}

export function putInt16(bytes: Buffer, value: number, at: number): number {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
  return at + SMALL_BYTES;
}

/** Gives how many bytes it takes. */
function put(bytes: Buffer, kind: ColumnKind, value: unknown, at: number): number {
  switch (kind) {
    case "text":
      return putText(bytes, value as string, at);
    case "number":
      return putNumber(bytes, value as number, at);
    case "small":
      putInt16(bytes, value as number, at);
      return SMALL_BYTES;
    case "bytes":
      bytes.set(value as Uint8Array, at);
      return (value as Uint8Array).length;
  }
}

function putNumber(bytes: Buffer, value: number, at: number): number {
  const high = Math.floor(value / 2 ** 32);
  putInt32(bytes, value - high * 2 ** 32, putInt32(bytes, high, at));
  return NUMBER_BYTES;
}

function putText(bytes: Buffer, text: string, at: number): number {
  const { length } = text;
  if (length > LOOP_MAX) return bytes.write(text, at);
  for (let i = 0; i < length; i++) {
    const character = text.charCodeAt(i);
    if (character > ASCII_MAX) return bytes.write(text, at);
    bytes[at + i] = character;
  }
  return length;
}

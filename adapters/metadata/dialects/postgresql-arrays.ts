import type { ColumnKind } from "../schema.ts";

/**
 * Columns of many rows as one parameter each, in the binary format of the protocol: a statement is then the same for any number of
 * rows, and neither side writes or reads texts of numbers and bytes.
 */

/** OIDs of what is in an array, the same everywhere. */
const ELEMENTS: Record<ColumnKind, number> = { bytes: 17, number: 20, text: 25 };
const TYPES: Record<ColumnKind, string> = { bytes: "bytea[]", number: "bigint[]", text: "text[]" };
const HEADER_BYTES = 20;
const LENGTH_BYTES = 4;
const NUMBER_BYTES = 8;
/** Of one character of JavaScript. */
const UTF8_BYTES_MAX = 3;
const NULL = -1;

export function arrayType(kind: ColumnKind): string {
  return TYPES[kind];
}

/** @param values texts, safe integers or bytes, as the kind says; or null */
export function arrayOf(kind: ColumnKind, values: readonly unknown[]): Buffer {
  const array = Buffer.allocUnsafe(values.reduce((sum: number, value) => sum + roomFor(value), HEADER_BYTES));
  let at = HEADER_BYTES;
  let hasNull = 0;
  for (const value of values) {
    const start = at + LENGTH_BYTES;
    if (value === null || value === undefined) {
      hasNull = 1;
      at = array.writeInt32BE(NULL, at);
    } else {
      const length = write(array, value, start);
      array.writeInt32BE(length, at);
      at = start + length;
    }
  }
  const header = [1, hasNull, ELEMENTS[kind], values.length, 1];
  for (const [i, each] of header.entries()) array.writeInt32BE(each, i * LENGTH_BYTES);
  return array.subarray(0, at);
}

/** Enough: the bytes of a text are known when it is written. */
function roomFor(value: unknown): number {
  if (typeof value === "string") return LENGTH_BYTES + UTF8_BYTES_MAX * value.length;
  return LENGTH_BYTES + (value instanceof Uint8Array ? value.length : NUMBER_BYTES);
}

/** Gives how many bytes it takes. */
function write(array: Buffer, value: unknown, at: number): number {
  if (typeof value === "string") return array.write(value, at);
  if (typeof value === "number") {
    const high = Math.floor(value / 2 ** 32);
    array.writeInt32BE(high, at);
    array.writeUInt32BE(value - high * 2 ** 32, at + LENGTH_BYTES);
    return NUMBER_BYTES;
  }
  array.set(value as Uint8Array, at);
  return (value as Uint8Array).length;
}

import type { ColumnKind } from "../schema.ts";
import { LENGTH_BYTES, putInt32, putValue, roomFor } from "./postgresql-values.ts";

/**
 * Columns of many rows as one parameter each, in the binary format of the protocol: a statement is then the same for any number of
 * rows, and neither side writes or reads texts of numbers and bytes.
 */

/** OIDs of what is in an array, the same everywhere. */
const ELEMENTS: Record<ColumnKind, number> = { bytes: 17, number: 20, small: 21, text: 25 };
const TYPES: Record<ColumnKind, string> = {
  bytes: "bytea[]",
  number: "bigint[]",
  small: "smallint[]",
  text: "text[]",
};
const HEADER_BYTES = 20;

export function arrayType(kind: ColumnKind): string {
  return TYPES[kind];
}

/** @param values texts, safe integers or bytes, as the kind says; or null */
export function arrayOf(kind: ColumnKind, values: readonly unknown[]): Buffer {
  const array = Buffer.allocUnsafe(values.reduce((sum: number, value) => sum + roomFor(value), HEADER_BYTES));
  let at = HEADER_BYTES;
  let hasNull = 0;
  for (const value of values) {
    if (value === null || value === undefined) hasNull = 1;
    at = putValue(array, kind, value, at);
  }
  const header = [1, hasNull, ELEMENTS[kind], values.length, 1];
  for (const [i, each] of header.entries()) putInt32(array, each, i * LENGTH_BYTES);
  return array.subarray(0, at);
}

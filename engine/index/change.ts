import type { RecordKind } from "../log/format.ts";
import type { RecordPlace } from "../log/reader.ts";
import { NOT_CACHED, type Row } from "./rows.ts";

/** Payloads up to this size are kept in the row too, so that reading them needs no look into the log. */
export const INLINE_BYTES_MAX = 256;

/** What one record puts into the index. */
export interface Change {
  kind: RecordKind;
  key: Uint8Array;
  tag: number;
  weak: boolean;
  references: Buffer[];
  place: RecordPlace;
  /** The payload behind the references. */
  content: Buffer | undefined;
}

/** The row that a put makes. @param blob where its first referenced blob is at that moment */
export function rowOf(change: Change, sequence: number, time: number, blob: RecordPlace | undefined): Row {
  const { tag, weak, references, place, content } = change;
  const inline = content && content.length <= INLINE_BYTES_MAX ? content : undefined;
  return { sequence, time, tag, weak, references, place, blob, inline, cachedAt: NOT_CACHED };
}

export function samePlace(a: RecordPlace, b: RecordPlace): boolean {
  return a.segment === b.segment && a.offset === b.offset;
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

import { DIGEST_BYTES, readUint53, writeUint53 } from "../log/format.ts";
import type { Transaction } from "../transaction.ts";
import { preparePayload } from "../transaction.ts";

/** The rows of a log that keeps values alone. Part of the format: see FORMAT.md, "Records of a log of values". */

const BLOB_SPACE = 0x62; // "b"
const CONTENT_BYTES = 8;

/** That a blob is needed. */
export function blobKey(digest: Uint8Array): Buffer {
  const key = Buffer.allocUnsafe(1 + DIGEST_BYTES);
  key[0] = BLOB_SPACE;
  key.set(digest, 1);
  return key;
}

export function parseBlobKey(key: Buffer): Buffer {
  return key.subarray(1);
}

export function blobsRange(): { start: Buffer; end: Buffer } {
  return { start: Buffer.from([BLOB_SPACE]), end: Buffer.from([BLOB_SPACE + 1]) };
}

/** What a row says of its blob. */
export interface BlobContent {
  size: number;
  /** The record of the log that the row refers to: the blob, or the root of the lists that name its chunks. */
  reference: Buffer;
  isChunked: boolean;
}

/** Undefined when the record of the row is damaged. */
export function readBlobRow(
  key: Buffer,
  row: { references: readonly Buffer[]; inline: Buffer | undefined },
): BlobContent | undefined {
  const [reference] = row.references;
  if (!reference || row.inline?.length !== CONTENT_BYTES) return undefined;
  return { size: readUint53(row.inline, 0), reference, isChunked: !parseBlobKey(key).equals(reference) };
}

/** Under the lock, behind what it refers to. Not written again before `slack` milliseconds have gone by. */
export function putBlobRow(
  transaction: Transaction,
  digest: Uint8Array,
  to: BlobContent,
  slack: number,
): void {
  const key = blobKey(digest);
  const row = transaction.row(key);
  const known = row && readBlobRow(key, row);
  const isSame = known?.size === to.size && known.reference.equals(to.reference);
  if (row && isSame && transaction.time - row.time <= slack) return;
  const content = Buffer.allocUnsafe(CONTENT_BYTES);
  writeUint53(content, to.size, 0);
  transaction.put(key, preparePayload([to.reference], content, 0n), { isNew: row === undefined });
}

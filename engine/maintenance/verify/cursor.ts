import { VarveError } from "../../errors.ts";
import { checksum } from "../../log/checksum.ts";
import type { LogPosition } from "../../log/segment.ts";
import type { MissingRow } from "./rows.ts";

/** Where a verification goes on. */
export interface VerifyCursor {
  /** Whether the digests of blobs are tried too. */
  full: boolean;
  /** The newest operation that there was. */
  newest: number;
  /** The last batch of the log that was read; absent when the log is done. */
  position?: LogPosition;
  /** Rows that the index lacks, unless the rest of the log deletes them. */
  missing?: MissingRow[];
  /** The last row of the index that was looked at. */
  key?: Buffer;
}

/** As a text for users, who need not know what is in it. */
export function encodeCursor(cursor: VerifyCursor, storeId: string): string {
  const { full, newest, position, missing, key } = cursor;
  const { segment, offset, sequence, time, chain } = position ?? {};
  const place = position && [segment, offset, sequence, time, String(chain)];
  const text = Buffer.from(
    JSON.stringify([storeId, full, newest, place ?? null, missing ?? [], key?.toString("base64") ?? null]),
  );
  return `${text.toString("base64url")}.${checksum(text, 0n).toString(16)}`;
}

/** @throws INVALID_ARGUMENT for what is no cursor, or that of another store */
export function decodeCursor(text: string, storeId: string): VerifyCursor {
  const [encoded, sum, ...rest] = text.split(".");
  const bytes = Buffer.from(encoded ?? "", "base64url");
  if (rest.length > 0 || bytes.length === 0 || checksum(bytes, 0n).toString(16) !== sum)
    throw notHere("it is no `next` of a report of verify");
  const [id, full, newest, place, missing, key] = JSON.parse(bytes.toString());
  if (id !== storeId) throw notHere("it is of another store");
  const cursor: VerifyCursor = { full, newest, missing };
  if (place) {
    const [segment, offset, sequence, time, chain] = place;
    cursor.position = { segment, offset, sequence, time, chain: BigInt(chain) };
  }
  if (key) cursor.key = Buffer.from(key, "base64");
  return cursor;
}

export function notHere(why: string): VarveError {
  return new VarveError("INVALID_ARGUMENT", `verify can't go on there: ${why}`, {
    hint: "give `after` the `next` of the report before, or leave it out to begin anew",
  });
}

import { VarveError } from "./errors.ts";
import type { PreparedBlob, PreparedPayload, Transaction } from "./transaction.ts";

/** What the key-value engine does to its rows, each under the lock: shared by the single calls and by batches. */

export interface PreparedPut {
  key: Buffer;
  payload: PreparedPayload;
  blob: PreparedBlob | undefined;
  ifAbsent: boolean | undefined;
  ifSequence: number | undefined;
}

export function applyPut(transaction: Transaction, put: PreparedPut): void {
  const { key, ifAbsent, ifSequence } = put;
  if (ifAbsent || ifSequence !== undefined) {
    const row = transaction.row(key);
    if (ifAbsent && row) throw conflict("the key is there already", { sequence: row.sequence });
    if (ifSequence !== undefined && row?.sequence !== ifSequence) {
      throw conflict(`the key was last put by operation ${row?.sequence ?? "none"}, not ${ifSequence}`, {
        sequence: row?.sequence,
      });
    }
  }
  if (put.blob) transaction.putBlob(put.blob);
  transaction.put(key, put.payload);
}

export function applyDelete(transaction: Transaction, key: Buffer): boolean {
  if (!transaction.row(key)) return false;
  transaction.delete(key);
  return true;
}

function conflict(message: string, details: Record<string, unknown>): VarveError {
  return new VarveError("CONFLICT", message, { hint: "read the key again, and decide anew", details });
}

export function badOperation(operation: unknown): VarveError {
  return new VarveError(
    "INVALID_ARGUMENT",
    `not an operation: ${JSON.stringify((operation as { type?: unknown }).type)}`,
    {
      hint: 'give { type: "put", key, value } or { type: "del", key }',
    },
  );
}

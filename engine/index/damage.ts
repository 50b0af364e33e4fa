import { VarveError } from "../errors.ts";

/** What is wrong lies in the index alone, which can be made again from the log: nothing that was saved is lost. */
export function indexDamage(message: string, cause?: unknown): VarveError {
  return new VarveError("CORRUPTION", message, {
    hint: "rebuild the index from the log: `varve rebuild` or `store.rebuildIndex()`; nothing is lost by it",
    details: { index: true },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Not damaged, but not in use any more: another generation is, which can only be opened under the lock. */
export function indexReplaced(): VarveError {
  return new VarveError("CORRUPTION", "the index was replaced by a new one in the meantime", {
    hint: "try again: nothing is lost",
    details: { index: true, replaced: true },
  });
}

export function isIndexReplaced(error: unknown): boolean {
  return isIndexDamage(error) && (error as VarveError).details?.replaced === true;
}

/** Whether a sound index would have given an answer. */
export function isIndexDamage(error: unknown): boolean {
  return error instanceof VarveError && error.code === "CORRUPTION" && error.details?.index === true;
}

/** Beginnings of LMDB's messages about a file that can't be what it wrote. The last is for a page beyond any file. */
const DAMAGE =
  /^(MDB_CORRUPTED|MDB_PAGE_NOTFOUND|MDB_BAD_TXN|MDB_PROBLEM|MDB_INVALID|MDB_PANIC|MDB_CURSOR_FULL|MDB_VERSION_MISMATCH|File too large)/;

const saysDamage = (error: unknown): error is Error => error instanceof Error && DAMAGE.test(error.message);

/** An error of LMDB about the index as one of ours where it tells of damage; others as they are. */
export function fromIndexFailure(error: unknown): unknown {
  return saysDamage(error) ? indexDamage(`the index is damaged: ${error.message}`, error) : error;
}

/** As above for the lock environment, which nobody may replace while others have it open. */
export function fromLockFailure(error: unknown): unknown {
  if (!saysDamage(error)) return error;
  return new VarveError("IO", `the lock environment of the store is damaged: ${error.message}`, {
    hint: "close all users of the store, remove its lock folder, and open it again; the log is not touched by that",
    cause: error,
  });
}

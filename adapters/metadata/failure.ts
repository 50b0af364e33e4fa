import { VarveError, type VarveErrorCode } from "../../engine/main.ts";

/** Errors of databases as those of Varve: with what the adapter itself does about them in `details.reason`. */

export type FailureReason =
  /** The transaction met another one, and was rolled back: again. */
  | "conflict"
  /** Another one holds a lock for too long. */
  | "lock"
  /** The connection has ended. */
  | "lost"
  /** No answer in time. */
  | "late"
  /** No connection could be made. */
  | "unreachable";

const HINTS: Record<FailureReason, string> = {
  conflict: "many write at once: try again",
  lock: "nothing was written; try again, or end what holds the lock",
  lost: "try again: the database was restarted, or the network failed",
  late: "try again; see whether the database is busy, stopped, or out of reach",
  unreachable: "see whether the database runs, and the address in the database URL",
};

export function unavailable(reason: FailureReason, message: string, cause?: unknown): VarveError {
  return new VarveError("UNAVAILABLE", message, { hint: HINTS[reason], cause, details: { reason } });
}

export function failure(code: VarveErrorCode, message: string, hint: string, cause?: unknown): VarveError {
  return new VarveError(code, message, { hint, cause });
}

export function reasonOf(error: unknown): FailureReason | undefined {
  if (!(error instanceof VarveError)) return undefined;
  return error.details?.reason as FailureReason | undefined;
}

/** What the driver said. */
export function messageOf(error: unknown): string {
  const { message, code, errors } = (error ?? {}) as { message?: string; code?: unknown; errors?: unknown[] };
  // Node tries all addresses of a host, and gives what happened at each.
  if (!message && errors?.length) return messageOf(errors[0]);
  return message || String(code ?? error);
}

/** Of the operating system: of connecting, and of a connection. */
const UNREACHABLE =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ENOENT|EHOSTDOWN|EADDRNOTAVAIL)$/;
const LOST = /^(ECONNRESET|EPIPE|ECONNABORTED|ERR_STREAM_DESTROYED|ERR_SOCKET_CLOSED)$/;

/** What a network says, whatever the database. */
export function networkFailure(error: unknown, location: string): VarveError | undefined {
  const { code, errors } = (error ?? {}) as { code?: unknown; errors?: { code?: unknown }[] };
  const text = String(code ?? errors?.[0]?.code ?? "");
  if (UNREACHABLE.test(text)) {
    return unavailable("unreachable", `no connection to ${location}: ${messageOf(error)}`, error);
  }
  if (text === "ETIMEDOUT") return unavailable("late", `${location} does not answer`, error);
  if (LOST.test(text)) return lost(location, error);
  return undefined;
}

export function lost(location: string, cause?: unknown): VarveError {
  const why = cause === undefined ? "" : `: ${messageOf(cause)}`;
  return unavailable("lost", `the connection to ${location} ended${why}`, cause);
}

/** Codes that say something of what was asked for, and nothing of the database. */
const OF_THE_UNIT = new Set<VarveErrorCode>(["NOT_FOUND", "CONFLICT", "INVALID_ARGUMENT", "NOT_SUPPORTED"]);

/** Whether a unit of a commit failed by itself, and those beside it may go on. */
export function isOfUnit(error: unknown): error is VarveError {
  return error instanceof VarveError && OF_THE_UNIT.has(error.code);
}

export function closedError(): VarveError {
  return new VarveError("CLOSED", "the metadata database was closed", { hint: "open the store again" });
}

export function abortedError(signal: AbortSignal): VarveError {
  return new VarveError("ABORTED", "the call was aborted", { cause: signal.reason });
}

/** @throws ABORTED */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedError(signal);
}

/** What is waited for goes on to its end, but the caller does not wait for it. */
export async function unlessAborted<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  if (!signal) return work();
  throwIfAborted(signal);
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(abortedError(signal));
    signal.addEventListener("abort", onAbort, { once: true });
  });
  const running = work();
  running.catch(() => {});
  try {
    return await Promise.race([running, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort!);
  }
}

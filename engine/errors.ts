/** The stable codes of {@link VarveError}. Codes are part of the API; messages are not. */
export type VarveErrorCode =
  | "NOT_FOUND"
  | "INVALID_ARGUMENT"
  | "UNSUPPORTED_VALUE"
  | "CONFLICT"
  | "CORRUPTION"
  | "CLOSED"
  | "READ_ONLY"
  | "NO_SPACE"
  | "IO"
  | "NOT_SUPPORTED"
  | "MISSING_DRIVER"
  | "UNAVAILABLE"
  | "UNAUTHORIZED"
  | "CONFIG"
  | "ABORTED";

export interface VarveErrorOptions {
  /** What the caller can do about it, in one sentence. */
  hint?: string;
  cause?: unknown;
  /** `"unknown"`: a disk failed between the write and its confirmation, so the call may or may not have taken effect. */
  outcome?: "unknown";
  /** Facts about the failure (file, offset, item, path inside a value ...). */
  details?: Record<string, unknown>;
}

/** The only error class that Varve throws. */
export class VarveError extends Error {
  readonly code: VarveErrorCode;
  declare readonly hint?: string;
  declare readonly outcome?: "unknown";
  declare readonly details?: Record<string, unknown>;

  constructor(code: VarveErrorCode, message: string, options: VarveErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "VarveError";
    this.code = code;
    if (options.hint !== undefined) this.hint = options.hint;
    if (options.outcome !== undefined) this.outcome = options.outcome;
    if (options.details !== undefined) this.details = options.details;
  }
}

/** Whether what was asked for is missing or damaged, rather than out of reach for now. */
export function isCorruption(error: unknown): error is VarveError {
  return error instanceof VarveError && error.code === "CORRUPTION";
}

/** @throws ABORTED */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new VarveError("ABORTED", "the call was aborted", { cause: signal.reason });
}

/** Those with numbers are LMDB's. */
const NO_SPACE_CODES = new Set<unknown>(["ENOSPC", "EDQUOT", 28, 122, -30792]);
const HINTS = new Map<unknown, string>([
  ["EMFILE", "raise the limit of open files (`ulimit -n`), or close some; nothing that was saved is lost"],
  ["ENFILE", "the machine has too many files open; close some; nothing that was saved is lost"],
  ["EACCES", "let this user read and write the folder of the store and all files in it"],
  ["EPERM", "let this user read and write the folder of the store and all files in it"],
  ["EROFS", "the disk is mounted read-only: open the store with `readOnly`, or mount it writable"],
  ["EIO", "the disk failed; check it, and keep a copy of the store elsewhere"],
]);

/** An operating-system error as a {@link VarveError}; errors of Varve pass through unchanged. */
export function fromSystemError(error: unknown, doing: string, options: VarveErrorOptions = {}): VarveError {
  if (error instanceof VarveError) return error;
  const { code, message } = (error ?? {}) as { code?: unknown; message?: string };
  const reason = message ?? String(error);
  if (NO_SPACE_CODES.has(code)) {
    return new VarveError("NO_SPACE", `no space left on the disk while ${doing}: ${reason}`, {
      hint: "free some space on the disk and try again; nothing that was saved is lost",
      cause: error,
      ...options,
    });
  }
  const hint = HINTS.get(code);
  return new VarveError("IO", `failed while ${doing}: ${reason}`, {
    ...(hint && { hint }),
    cause: error,
    ...options,
  });
}

/** For who asks to change what was opened to be read. */
export function readOnlyError(what: "store" | "engine" = "store"): VarveError {
  return new VarveError("READ_ONLY", `the ${what} was opened read-only`, {
    hint: "open it without readOnly to change it",
  });
}

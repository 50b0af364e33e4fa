import { fromSystemError, VarveError } from "../errors.ts";
import { quoted } from "./entry.ts";

/** Why a tree can't be saved. Each names what it is about, and what can be done. */

const LEAVE_OUT = "or leave it out with `ignore`";

/** @param why ends the sentence that begins with the path */
export function cannotBeKept(path: string, why: string, todo: string): VarveError {
  return new VarveError("UNSUPPORTED_VALUE", `${quoted(path)} ${why}`, {
    hint: `${todo}, ${LEAVE_OUT}`,
    details: { path },
  });
}

export function isChanging(path: string, cause?: unknown): VarveError {
  return new VarveError("CONFLICT", `${quoted(path)} was changed or removed while it was read`, {
    hint: `save again when nobody writes to it, ${LEAVE_OUT}`,
    details: { path },
    ...(cause !== undefined && { cause }),
  });
}

/** What the operating system said about a file or folder that is to be saved. */
export function cannotBeRead(path: string, error: unknown): VarveError {
  if (error instanceof VarveError) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENAMETOOLONG") return tooLong(path);
  if (isGone(error)) return isChanging(path, error);
  const mayNot = code === "EACCES" || code === "EPERM";
  return fromSystemError(error, `reading ${quoted(path)}`, {
    ...(mayNot && { hint: `let this user read it, ${LEAVE_OUT}` }),
    details: { path },
  });
}

export function tooLong(path: string): VarveError {
  const shown = path.length > 200 ? `${path.slice(0, 200)}…` : path;
  return new VarveError("UNSUPPORTED_VALUE", `the path ${quoted(shown)} is too long`, {
    hint: `shorten the names above it, ${LEAVE_OUT}`,
    details: { path },
  });
}

/** Of a link, folder, pipe or socket where a file was, and the other way round. */
const GONE = ["ENOENT", "ENOTDIR", "EISDIR", "ELOOP", "EINVAL", "ENXIO", "ESPIPE", "EAGAIN"];

/** Or something else has its place by now. */
export function isGone(error: unknown): boolean {
  return GONE.includes((error as NodeJS.ErrnoException).code ?? "");
}

/** How the command line fails: exit codes, and errors as people and programs read them. */

/** Exit codes, a promise to scripts. */
export const ExitCode = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  conflict: 4,
  corruption: 5,
  partlyDone: 6,
  remote: 8,
  noSpace: 9,
  interrupted: 130,
  brokenPipe: 141,
} as const;

export const EXIT_BY_CODE: Readonly<Record<string, number>> = {
  INVALID_ARGUMENT: ExitCode.usage,
  NOT_FOUND: ExitCode.notFound,
  CONFLICT: ExitCode.conflict,
  CORRUPTION: ExitCode.corruption,
  UNAVAILABLE: ExitCode.remote,
  UNAUTHORIZED: ExitCode.remote,
  NO_SPACE: ExitCode.noSpace,
  ABORTED: ExitCode.interrupted,
};

/** A failure that the command line finds by itself, with one of the library's codes. */
export class CommandError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly exitCode: number;

  constructor(
    code: string,
    message: string,
    options: { hint?: string; exitCode?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = "CommandError";
    this.code = code;
    this.hint = options.hint;
    this.exitCode = options.exitCode ?? EXIT_BY_CODE[code] ?? ExitCode.failure;
  }
}

/** The command was written wrongly (exit code 2). */
export function usageError(message: string, hint?: string): CommandError {
  return new CommandError("INVALID_ARGUMENT", message, hint === undefined ? {} : { hint });
}

/** The reader of stdout went away: nothing is left to say, and nobody to say it to. */
export class BrokenPipe extends Error {
  override readonly name = "BrokenPipe";
}

/** A failure of the command line's own file and stream operations. */
export function systemError(error: unknown, doing: string): CommandError {
  if (error instanceof CommandError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const isFull = code === "ENOSPC" || code === "EDQUOT";
  return new CommandError(isFull ? "NO_SPACE" : "IO", `failed while ${doing}: ${message}`, { cause: error });
}

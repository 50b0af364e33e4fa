import { VarveError } from "./errors.ts";

/** What prunes refuse to do, in the same words wherever versions are kept. */

const YEAR_MILLISECONDS = 365 * 86_400_000;
/** So many times as long as the store was in use. */
const IDLE_MAX = 10;

/**
 * @param oldest, newest when the first of the versions was saved, and when the last operation was; 0 for none
 * @throws INVALID_ARGUMENT for a clock by which ages can't be reckoned
 */
export function checkClock(now: number, oldest: number, newest: number): void {
  // Nothing was saved yet, or history was forgotten with all there was.
  if (newest === 0) return;
  const idle = now - newest;
  if (idle < 0)
    throw badClock(`the clock says ${dateText(now)}, but the newest record is of ${dateText(newest)}`);
  if (idle > YEAR_MILLISECONDS && idle > IDLE_MAX * (newest - oldest))
    throw badClock(`the clock says ${dateText(now)}, long after the newest record, of ${dateText(newest)}`);
}

function badClock(message: string): VarveError {
  return new VarveError("INVALID_ARGUMENT", message, {
    hint: "set the clock right, give a moment instead of an age, or use `force` (`--force`) if it is right",
  });
}

function dateText(time: number): string {
  return new Date(time).toISOString();
}

export function nothingLeft(versions: number): VarveError {
  return new VarveError("INVALID_ARGUMENT", `this would delete all ${versions} versions of the store`, {
    hint: "keep some, for example with `keepLast: 1` (`--keep-last 1`), or use `force` (`--force`)",
    details: { versions },
  });
}

export function unreachable(maxSize: number, leastBytes: number, victims: number): VarveError {
  const message = `the log can't be brought down to ${maxSize} bytes: it takes ${leastBytes} when all that may go is gone`;
  return new VarveError("INVALID_ARGUMENT", message, {
    hint: "nothing was deleted: allow more, move aliases away, or let history go with `compact --history-before`",
    details: { maxSize, leastBytes, versions: victims },
  });
}

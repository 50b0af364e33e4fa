import { setTimeout as sleep } from "node:timers/promises";

/** What never takes so long, however busy the machine is. */
const NEVER_MILLISECONDS = 60_000;

/** What comes of `action`, or an error when that takes longer than it may. */
export async function within<T>(milliseconds: number, what: string, action: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} hangs`)), milliseconds);
  });
  try {
    return await Promise.race([action(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Asks again and again until it is so.
 * @param pause milliseconds between two times
 */
export async function until(what: string, isSo: () => boolean | Promise<boolean>, pause = 5): Promise<void> {
  const end = performance.now() + NEVER_MILLISECONDS;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`it never comes to this: ${what}`);
    await sleep(pause);
  }
}

/** Whether a promise has settled. */
export function watch(promise: Promise<unknown>): { settled: boolean } {
  const state = { settled: false };
  const settle = () => {
    state.settled = true;
  };
  promise.then(settle, settle);
  return state;
}

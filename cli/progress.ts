/** One line on stderr that tells how far a long call is; on a terminal only. */

import type { CallOptions, Progress } from "../engine/main.ts";
import type { OutputStream } from "./output.ts";

const QUIET_MILLISECONDS = 1_000;
const REDRAW_MILLISECONDS = 100;
export const CLEAR_LINE = "\r\u001b[2K";

/** What it needs of a verb's context. */
interface Surroundings {
  readonly io: { readonly signal: AbortSignal; readonly stderr: OutputStream };
  readonly progress: boolean;
}

/** Runs a call with the options that let it be interrupted and followed. */
export async function withProgress<T>(
  context: Surroundings,
  call: (options: CallOptions) => Promise<T>,
): Promise<T> {
  const { signal, stderr } = context.io;
  if (!context.progress) return call({ signal });
  let drawnAt = performance.now() + QUIET_MILLISECONDS - REDRAW_MILLISECONDS;
  let isDrawn = false;
  const onProgress = (progress: Progress): void => {
    const now = performance.now();
    if (now - drawnAt < REDRAW_MILLISECONDS) return;
    drawnAt = now;
    isDrawn = true;
    stderr.write(CLEAR_LINE + progressText(progress));
  };
  try {
    return await call({ signal, onProgress });
  } finally {
    if (isDrawn) stderr.write(CLEAR_LINE);
  }
}

function progressText({ phase, done, total, unit }: Progress): string {
  const count = `${done.toLocaleString("en")} ${done === 1 ? unit.slice(0, -1) : unit}`;
  if (!total) return `${phase}: ${count}`;
  return `${phase}: ${Math.floor((done / total) * 100)} % (${count})`;
}

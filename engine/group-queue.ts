import { VarveError } from "./errors.ts";
import type { FreeSpace } from "./free-space.ts";
import type { Work } from "./work.ts";

/** What one group takes from the queue at most. */
const GROUP_ITEMS_MAX = 10_000;
const GROUP_BYTES_MAX = 16 * 1024 * 1024;

/** Work in the queue of the committer, or in a group. */
export interface Item {
  work: Work<unknown, unknown>;
  /** Milliseconds since 1970. */
  queuedAt: number;
  resolve(result: unknown): void;
  reject(error: unknown): void;
  /** Told already that it failed. */
  isRejected?: boolean;
  /** It was in a group that met damage in the index. */
  isRepeated?: boolean;
}

/** What waits for the committer, in the order of the calls. */
export class GroupQueue {
  #items: Item[] = [];

  get length(): number {
    return this.#items.length;
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  /** Before all others. */
  putBack(items: readonly Item[]): void {
    this.#items.unshift(...items);
  }

  /** As much as a group may have, and as there is room for; at least one. */
  take(space: FreeSpace): Item[] {
    let bytes = 0;
    let count = 0;
    for (const { work } of this.#items) {
      const isFull = count >= GROUP_ITEMS_MAX || bytes >= GROUP_BYTES_MAX;
      if (count > 0 && (isFull || !space.fits(count + 1, bytes + work.bytes))) break;
      bytes += work.bytes;
      count++;
    }
    return this.#items.splice(0, count);
  }

  takeAll(): Item[] {
    return this.#items.splice(0);
  }

  /** Those that were queued by then. */
  takeOverdue(since: number): Item[] {
    const overdue = this.#items.filter((item) => item.queuedAt <= since);
    if (overdue.length > 0) this.#items = this.#items.filter((item) => item.queuedAt > since);
    return overdue;
  }
}

export function tell({ work, resolve, reject }: Item, result: unknown): void {
  try {
    resolve(work.told ? work.told(result) : result);
  } catch (error) {
    reject(error);
  }
}

export function rejectAll(items: readonly Item[], error: VarveError): void {
  for (const item of items) item.reject(error);
}

/** The batch may be in the log. */
export function withOpenOutcome(error: VarveError): VarveError {
  if (error.outcome === "unknown") return error;
  const { code, message, hint } = error;
  return new VarveError(code, message, { outcome: "unknown", cause: error, ...(hint && { hint }) });
}

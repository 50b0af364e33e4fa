import { mkdirSync, statSync } from "node:fs";
import { Gate, lineOf, openLiving } from "./gate.ts";
import { inspectTree, UNKNOWN_FORMAT } from "./inspect.ts";
import type { Environment } from "./lmdb.ts";

/** By folder. */
const openLocks = new Map<string, OpenLock>();

/**
 * What all handles on one lock in this process share. LMDB does not know that a wait on the calling thread may be for
 * something that this very thread has to do: who opened the lock a second time could wait for himself, for good.
 */
export class OpenLock {
  /** Calls of this process that wait for the lock, or have it. */
  readonly waiting = new Set<Promise<unknown>>();
  readonly #folder: string;
  readonly #gate: Gate;
  #rows: Environment | undefined;
  #users = 0;

  /** The one that is open, or a new one; to be left by `leave`. */
  static join(folder: string): OpenLock {
    const open = openLocks.get(folder) ?? new OpenLock(folder);
    openLocks.set(folder, open);
    open.#users++;
    return open;
  }

  private constructor(folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#folder = folder;
    this.#gate = new Gate(folder);
  }

  /** Waits for the lock on another thread. A throw takes back what `action` put into the rows. */
  async hold<T>(action: () => T): Promise<T> {
    const held = this.#gate.hold(() => this.#open().transactSync(action));
    this.waiting.add(held);
    try {
      return await held;
    } finally {
      this.waiting.delete(held);
    }
  }

  /** Waits for the lock on this thread: only when nothing of this process waits for it. */
  holdSync<T>(action: () => T): T {
    return this.#gate.holdSync(() => this.#open().transactSync(action));
  }

  /** Whether the rows were opened, which may only be done while the gate is held. */
  get hasRows(): boolean {
    return this.#rows !== undefined;
  }

  get rows(): Environment {
    return this.#rows ?? this.#gate.holdSync(() => this.#open());
  }

  /** Calls that still wait for the lock are not waited for: who has it may be stopped. */
  async leave(): Promise<void> {
    this.#users--;
    if (this.waiting.size === 0) await this.#closeUnused();
    else void Promise.allSettled(this.waiting).then(() => this.#closeUnused());
  }

  async #closeUnused(): Promise<void> {
    if (this.#users > 0 || openLocks.get(this.#folder) !== this) return;
    let isUsed = false;
    await this.#gate
      .hold(() => {
        isUsed = this.#users > 0;
        if (isUsed) return;
        openLocks.delete(this.#folder);
        void this.#rows?.close();
      })
      .catch(() => openLocks.delete(this.#folder));
    if (!isUsed) await this.#gate.close();
  }

  #open(): Environment {
    this.#rows ??= openLiving(this.#folder, `state-${lineOf(this.#folder)}`, isWhole).environment;
    return this.#rows;
  }
}

/** The rows are few, and nobody writes them while the gate is held: LMDB would die of a damaged file. */
function isWhole(path: string): boolean {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) === 0) return true;
  const problem = inspectTree(path);
  return problem === undefined || problem.startsWith(UNKNOWN_FORMAT);
}

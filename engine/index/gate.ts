import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { VarveError } from "../errors.ts";
import { bornAt } from "./boot.ts";
import { fromLockFailure } from "./damage.ts";
import { wakeForgotten } from "./forgotten-waiters.ts";
import { Environment } from "./lmdb.ts";

const MILLISECONDS_BETWEEN_WAKES = 1_000;

/**
 * A mutex of all processes: the write lock of an LMDB environment in which nothing is ever put.
 *
 * Two faults of LMDB make it necessary. Opening an environment sets back the number of its newest transaction, to one
 * that was read a moment earlier: what another process commits in between is lost, or the next commit fails for good. An
 * environment in which nothing is put has no such number to lose, so it can be opened at any time; all others are opened
 * and closed while it is held. And the last process to close an environment destroys its mutexes, also those that an
 * opener has just begun to wait for: such an environment is marked dead, and its successor used.
 */
export class Gate {
  readonly #environment: Environment;
  readonly #lockFile: string;
  readonly #inode: number;
  /** @param parent where `gate-1` and so on lie */
  constructor(parent: string) {
    const { environment, folder } = openLiving(parent, "gate");
    this.#environment = environment;
    this.#lockFile = join(folder, "lock.mdb");
    this.#inode = inodeOf(this.#lockFile);
  }

  /** Waits for the mutex on another thread; `action` runs on this one. */
  async hold<T>(action: () => T): Promise<T> {
    const waking = setInterval(() => wakeForgotten(this.#inode), MILLISECONDS_BETWEEN_WAKES);
    try {
      return await this.#environment.transact(() => this.#checked(action));
    } finally {
      clearInterval(waking);
    }
  }

  /** Waits for the mutex on this thread. */
  holdSync<T>(action: () => T): T {
    return this.#environment.transactSync(() => this.#checked(action));
  }

  close(): Promise<void> {
    return this.#environment.close();
  }

  /** A lock file that was removed locks nobody out: whoever notices stops. */
  #checked<T>(action: () => T): T {
    if (inodeOf(this.#lockFile) === this.#inode) return action();
    throw new VarveError(
      "IO",
      `the lock of the store was removed or replaced while it was open (${this.#lockFile})`,
      {
        hint: "close all users of the store and open it again; nothing in the log is overwritten",
      },
    );
  }
}

/**
 * Tells what the gates below `parent` protect from what earlier ones did that were removed: that may still be in use, and
 * must not be opened beside those who use it. The first gate says it for its successors too.
 */
export function lineOf(parent: string): string {
  const first = readdirSync(parent)
    .filter((name) => /^gate-\d+$/.test(name))
    .sort((a, b) => Number(a.slice(5)) - Number(b.slice(5)))[0];
  const path = join(parent, first ?? "", "lock.mdb");
  return `${inodeOf(path).toString(16)}-${bornAt(path)}`;
}

/**
 * Opens `<name>-<n>`, the first that is not known to be dead. All but a gate only while the gate is held.
 * @param isUsable a look at the data file before LMDB opens it; not for a gate, which others may hold
 */
export function openLiving(
  parent: string,
  name: string,
  isUsable: (path: string) => boolean = () => true,
): { environment: Environment; folder: string } {
  for (let n = 1; ; n++) {
    const folder = join(parent, `${name}-${n}`);
    const mark = `${folder}.dead`;
    if (existsSync(mark)) continue;
    if (!isUsable(join(folder, "data.mdb"))) {
      markDead(mark);
      continue;
    }
    let environment: Environment;
    try {
      environment = new Environment(folder, fromLockFailure);
    } catch (error) {
      if (!isDead(error)) throw error;
      // Who sees this holds the file's lock for as long as it lives, so nobody can have mutexes that work.
      markDead(mark);
      continue;
    }
    if (!existsSync(mark)) return { environment, folder };
    void environment.close();
  }
}

function markDead(mark: string): void {
  writeFileSync(mark, "", { mode: 0o600 });
}

/** What a destroyed mutex says. */
function isDead(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("Invalid argument");
}

function inodeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? 0;
}

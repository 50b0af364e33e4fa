import { randomBytes } from "node:crypto";
import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { VarveError } from "../errors.ts";
import { bornAt, currentBootId, pidNamespace, processStart } from "./boot.ts";
import { markOpen, unmarkOpen } from "./gate-wait.ts";
import type { Environment } from "./lmdb.ts";
import { OpenLock } from "./open-lock.ts";
import type { SharedState } from "./shared-state.ts";
import { decodeState, encodeState } from "./shared-state.ts";

interface Opener {
  pid: number;
  start: string;
  namespace: number;
  /** Milliseconds since 1970. */
  heartbeat: number;
}

const STATE_KEY = Buffer.from("state");
const OPENER_PREFIX = "opener/";
const OPENERS = { start: Buffer.from(OPENER_PREFIX), end: Buffer.from("opener0") };
const HEARTBEAT_MILLISECONDS = 5_000;
/** An opener of another PID namespace that was silent for so long is taken for dead. */
const SILENCE_MILLISECONDS_MAX = 20_000;
/**
 * As is one whose process is there: it may be a worker thread that was ended, or stopped, or be busy. Nothing but speed
 * rests on the difference, and one that goes on enters itself again.
 */
const OWN_SILENCE_MILLISECONDS_MAX = 60_000;

/**
 * The lock environment: a mutex over all processes (the gate), and an LMDB environment with a few rows that it protects.
 * Its folder is named after the boot, and the inode and birth of the folder above it. So no environment of an earlier boot (which
 * was never synced) and none that came with a copied home is ever opened, and two openers need no other lock to agree.
 */
export class LockEnvironment {
  readonly #open: OpenLock;
  readonly #folder: string;
  readonly #id = randomBytes(8).toString("hex");
  readonly #openerKey = Buffer.from(`${OPENER_PREFIX}${this.#id}`);
  #heartbeat: NodeJS.Timeout | undefined;

  constructor(home: string) {
    this.#folder = lockFolder(home);
    this.#open = OpenLock.join(this.#folder);
  }

  get #rows(): Environment {
    return this.#open.rows;
  }

  /** Waits for the lock on another thread. A throw takes back what `action` wrote here. */
  hold<T>(action: () => T): Promise<T> {
    return this.#open.hold(action);
  }

  /**
   * Closes an environment of the index, which may only be done while the gate is held. Where that can't be had in time
   * it stays open until the process ends.
   */
  async closing(milliseconds: number, close: () => Promise<void>): Promise<void> {
    let closed: Promise<void> | undefined;
    await this.holdWithin(milliseconds, () => {
      closed = close();
    }).catch(() => {});
    await closed;
  }

  /** As `hold`, unless the lock can't be had in time: then `action` never runs. @throws UNAVAILABLE */
  async holdWithin<T>(milliseconds: number, action: () => T): Promise<T> {
    let started = false;
    let gaveUp = false;
    const held = this.hold(() => {
      started = true;
      if (gaveUp) throw this.#waitedTooLong(milliseconds);
      return action();
    });
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        gaveUp = !started;
        if (gaveUp) reject(this.#waitedTooLong(milliseconds));
      }, milliseconds);
    });
    try {
      return await Promise.race([held, timeout]);
    } finally {
      clearTimeout(timer);
      held.catch(() => {});
    }
  }

  #waitedTooLong(milliseconds: number): VarveError {
    const message = `waited ${milliseconds} ms for the lock of the store, held by ${this.holder()}`;
    return new VarveError("UNAVAILABLE", message, {
      hint: "nothing was written; try again, or end that process",
    });
  }

  /** Whether neither another process nor another call of this one can have the lock, so that waiting takes no time. */
  isAlone(): boolean {
    if (this.isWanted) return false;
    this.refresh();
    return this.others() === 0;
  }

  /** Whether a call of this process waits for the lock, or has it: then waiting on this thread has no end. */
  get isWanted(): boolean {
    return this.#open.waiting.size > 0;
  }

  /** Waits for the lock on this thread: only when nobody else is likely to have it. */
  holdSync<T>(action: () => T): T {
    return this.#open.holdSync(action);
  }

  state(): SharedState | undefined {
    const bytes = this.#rows.getFast(STATE_KEY);
    return bytes && decodeState(bytes);
  }

  /** Only while the lock is held. */
  setState(state: SharedState): void {
    this.#rows.put(STATE_KEY, encodeState(state));
  }

  /** Later reads see what other processes have committed. */
  refresh(): void {
    this.#rows.refresh();
  }

  /**
   * Enters this process among those that have the store open. Only while the lock is held.
   * @throws as `checkNamespaces`
   */
  register(allowNamespaces: boolean): void {
    this.checkNamespaces(allowNamespaces);
    this.removeGone();
    markOpen(this.#folder, this.#id);
    this.#beat();
    const beat = () => {
      this.removeGone();
      this.#beat();
    };
    this.#heartbeat = setInterval(() => {
      if (!this.isWanted) void this.hold(beat).catch(() => {});
    }, HEARTBEAT_MILLISECONDS);
    this.#heartbeat.unref();
  }

  /** @throws NOT_SUPPORTED when a process of another PID namespace has it open: LMDB can't tell their processes apart. */
  checkNamespaces(allowed: boolean): void {
    const own = pidNamespace();
    for (const [, opener] of this.#openers()) {
      if (opener.namespace !== own && !isGone(opener, own) && !allowed) throw otherNamespace(opener);
    }
  }

  /** How many others have the store open, those that died without a word included until somebody registers. */
  others(): number {
    let count = 0;
    for (const { key } of this.#rows.entries(OPENERS)) if (!this.#openerKey.equals(key)) count++;
    return count;
  }

  /** Drops the rows of processes that are gone. Only while the lock is held. */
  removeGone(): void {
    const own = pidNamespace();
    for (const [key, opener] of this.#openers()) if (isGone(opener, own)) this.#rows.remove(Buffer.from(key));
  }

  /** The process that has had the store open the longest, for messages. */
  holder(): string {
    // Not waited for: this is asked by who could not have the lock.
    if (!this.#open.hasRows) return "another process";
    try {
      for (const [key, opener] of this.#openers())
        if (key !== this.#openerKey.toString()) return `process ${opener.pid}`;
    } catch {
      // The rows are damaged; who commits next will tell.
    }
    return "another process";
  }

  /** Only while the lock is held. */
  unregister(): void {
    clearInterval(this.#heartbeat);
    unmarkOpen(this.#folder, this.#id);
    this.#rows.remove(this.#openerKey);
  }

  /** Removes the environments of earlier boots: no process of theirs is left. */
  removeOthers(home: string): void {
    for (const name of readdirSync(join(home, "lock"))) {
      const earlier = /^[0-9a-z]+(-[0-9a-f]+){2,3}$/.test(name) && !name.startsWith(`${currentBootId()}-`);
      if (earlier) rmSync(join(home, "lock", name), { recursive: true, force: true });
    }
  }

  close(): Promise<void> {
    clearInterval(this.#heartbeat);
    return this.#open.leave();
  }

  #beat(): void {
    const opener: Opener = {
      pid: process.pid,
      start: processStart(process.pid) ?? "unknown",
      namespace: pidNamespace(),
      heartbeat: Date.now(),
    };
    this.#rows.put(this.#openerKey, Buffer.from(JSON.stringify(opener)));
  }

  *#openers(): Generator<[string, Opener]> {
    for (const { key, value } of this.#rows.entries(OPENERS)) yield [key.toString(), openerOf(value)];
  }
}

/** Where the lock environment of this boot lies, whether it exists or not. */
export function lockFolder(home: string): string {
  const parent = join(home, "lock");
  const { dev, ino } = statSync(parent);
  const place = `${dev.toString(16)}-${ino.toString(16)}-${bornAt(parent)}`;
  return join(parent, `${currentBootId()}-${place}`);
}

/** One that can't be read is nobody: who is there enters itself again. */
function openerOf(value: Buffer): Opener {
  try {
    return JSON.parse(value.toString()) as Opener;
  } catch {
    return { pid: 0, start: "nobody", namespace: pidNamespace(), heartbeat: 0 };
  }
}

function isGone(opener: Opener, ownNamespace: number): boolean {
  const silence = Date.now() - opener.heartbeat;
  if (opener.namespace !== ownNamespace) return silence > SILENCE_MILLISECONDS_MAX;
  return silence > OWN_SILENCE_MILLISECONDS_MAX || processStart(opener.pid) !== opener.start;
}

function otherNamespace(opener: Opener): VarveError {
  return new VarveError(
    "NOT_SUPPORTED",
    `a process of another PID namespace (pid ${opener.pid} there) has the store open`,
    {
      hint: 'let the containers share one PID namespace, or close the store there; `allow: ["pid-namespaces"]` takes the risk that two processes with the same pid hang',
    },
  );
}

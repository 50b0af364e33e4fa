import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { VarveError } from "../errors.ts";
import { bornAt, currentBootId } from "./boot.ts";
import { markOpen, unmarkOpen } from "./gate-wait.ts";
import { CompactorLease, compactorOf } from "./lease.ts";
import type { Environment } from "./lmdb.ts";
import { OpenLock } from "./open-lock.ts";
import type { LockTimes, OpenerKind } from "./openers.ts";
import { EVERYBODY, LOCK_TIMES, Openers, WRITERS } from "./openers.ts";
import type { SharedState } from "./shared-state.ts";
import { decodeState, encodeState } from "./shared-state.ts";

const STATE_KEY = Buffer.from("state");

/**
 * The lock environment: a mutex over all processes (the gate), and an LMDB environment with a few rows that it protects.
 * Its folder is named after the boot, and the inode and birth of the folder above it. So no environment of an earlier boot (which
 * was never synced) and none that came with a copied home is ever opened, and two openers need no other lock to agree.
 */
export class LockEnvironment {
  readonly times: LockTimes;
  readonly #open: OpenLock;
  readonly #folder: string;
  readonly #openers: Openers;
  /** The state as it was last read or put, and the bytes that say it. */
  #known: { bytes: Buffer; state: Readonly<SharedState> | undefined } | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #isBeating = false;

  constructor(home: string, times: Partial<LockTimes> = {}) {
    this.times = { ...LOCK_TIMES, ...times };
    this.#folder = lockFolder(home);
    this.#open = OpenLock.join(this.#folder);
    this.#openers = new Openers(() => this.#rows, this.times);
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
    return !this.#openers.hasOthers(EVERYBODY);
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
    if (!bytes) return undefined;
    // A save asks some times, and it is what was read or put before.
    if (!this.#known?.bytes.equals(bytes))
      this.#known = { bytes: Buffer.from(bytes), state: decodeState(bytes) };
    // A copy: who has it may go on to the next state in it.
    return this.#known.state && { ...this.#known.state };
  }

  /** Only while the lock is held. */
  setState(state: SharedState): void {
    const bytes = encodeState(state);
    this.#rows.put(STATE_KEY, bytes);
    this.#known = { bytes, state: { ...state } };
  }

  /** Later reads see what other processes have committed. */
  refresh(): void {
    this.#rows.refresh();
  }

  /**
   * Enters this process among those that have the store open. Only while the lock is held.
   * @throws as `checkNamespaces`
   */
  register(allowNamespaces: boolean, kind: OpenerKind = "opener"): void {
    this.checkNamespaces(allowNamespaces);
    this.removeGone();
    // Who only reads never has the gate for long.
    if (kind === "opener") markOpen(this.#folder, this.#openers.id);
    this.#openers.enter(kind, this.state()?.logEpoch ?? 0);
    this.#heartbeat = setInterval(() => this.#beat(), this.times.beat);
    this.#heartbeat.unref();
  }

  /** Others of this process wait for the lock? Then at a better moment, unless that was said too often. */
  #beat(): void {
    if (this.#isBeating || (this.isWanted && !this.#openers.isLate)) return;
    this.#isBeating = true;
    const beating = this.hold(() => {
      this.removeGone();
      this.#openers.beat();
    });
    void beating.catch(() => {}).finally(() => (this.#isBeating = false));
  }

  /** @throws NOT_SUPPORTED when a process of another PID namespace has it open: LMDB can't tell their processes apart. */
  checkNamespaces(allowed: boolean): void {
    if (!allowed) this.#openers.checkNamespaces();
  }

  /** Names this one among those that have the store open. */
  get openerId(): string {
    return this.#openers.id;
  }

  /** Whether the one of that name may write to the store, and is still there. */
  isOpenBy(openerId: string): boolean {
    this.refresh();
    return this.#openers.has(openerId);
  }

  /** How many others may write to the store, those that died without a word included until somebody registers. */
  others(): number {
    return this.#openers.others(WRITERS);
  }

  /** Drops the rows of processes that are gone. Only while the lock is held. */
  removeGone(): void {
    this.#openers.removeGone();
  }

  /** The process that has had the store open the longest, for messages. */
  holder(): string {
    // Not waited for: this is asked by who could not have the lock.
    if (!this.#open.hasRows) return "another process";
    try {
      const pid = this.#openers.first();
      if (pid !== undefined) return `process ${pid}`;
    } catch {
      // The rows are damaged; who commits next will tell.
    }
    return "another process";
  }

  /** Only while the lock is held. */
  unregister(): void {
    clearInterval(this.#heartbeat);
    unmarkOpen(this.#folder, this.#openers.id);
    this.#openers.leave();
  }

  /** The epoch of the log that this one has acknowledged; undefined when it is not among the openers. */
  get epoch(): number | undefined {
    return this.#openers.epoch;
  }

  /** Tells who moves records that this one reads with nothing from before an epoch any more. */
  acknowledge(epoch: () => number): Promise<void> {
    return this.hold(() => this.#openers.acknowledge(epoch()));
  }

  /**
   * The oldest epoch of the log that one of the openers may still read with, this one included: what was replaced in a
   * later one must stay. Those that are gone don't count; infinite where nobody is registered.
   */
  oldestEpoch(): number {
    this.refresh();
    return this.#openers.oldestEpoch();
  }

  /**
   * The right to move records of the log. Only while the lock is held, as all calls of the lease.
   * @param yields who is to move records may take it from this one
   * @throws CONFLICT naming the process that has it
   */
  takeCompactor(yields = false): CompactorLease {
    return new CompactorLease(this.#leaseParts, yields);
  }

  /** Whether somebody moves records of the log. */
  get isCompacted(): boolean {
    return compactorOf(this.#leaseParts) !== undefined;
  }

  get #leaseParts() {
    return {
      rows: () => this.#rows,
      times: this.times,
      hold: (action: () => void) => this.hold(action),
    };
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
}

/** Where the lock environment of this boot lies, whether it exists or not. */
export function lockFolder(home: string): string {
  const parent = join(home, "lock");
  const { dev, ino } = statSync(parent);
  const place = `${dev.toString(16)}-${ino.toString(16)}-${bornAt(parent)}`;
  return join(parent, `${currentBootId()}-${place}`);
}

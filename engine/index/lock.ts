import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { VarveError } from "../errors.ts";
import { readUint53, writeUint53 } from "../log/format.ts";
import type { LogIdentity, LogPosition } from "../log/segment.ts";
import { bornAt, currentBootId, pidNamespace, processStart } from "./boot.ts";
import { Environment } from "./lmdb.ts";
import { readPosition, writePosition } from "./rows.ts";

/** What the processes that use a store tell each other. */
export interface SharedState {
  identity: LogIdentity;
  /** The end of the log. */
  tail: LogPosition;
  /** Every batch up to this one is on the disk. */
  durableSequence: number;
  /** Which index is the current one. */
  generation: number;
  /** The mark that calls the index clean has been taken away, so the index may be written. */
  indexUnclean: boolean;
  /** Bytes behind the tail were not acknowledged and must not be adopted. */
  cutAtTail: boolean;
  /** A sync failed: what came after `durableSequence` is in doubt, and nothing may be written on it. */
  syncFailed: boolean;
  /** Somebody met damage in the index: whoever has the lock next makes it anew. */
  indexSuspect: boolean;
  /** The newest operation in the newest checkpoint of the index, or in one that is being taken; 0 for none. */
  checkpointSequence: number;
  /** Raised when records were moved or files of the log replaced: what was remembered of places and files is void. */
  logEpoch: number;
}

/** What is noted beside the end of the log, of a store in which nothing has happened. */
export const NOTHING_NOTED = {
  cutAtTail: false,
  syncFailed: false,
  indexSuspect: false,
  checkpointSequence: 0,
  logEpoch: 0,
};

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
 * The lock environment: LMDB's write lock, a robust mutex over all processes, and a few rows that it protects.
 * Its folder is named after the boot, and the inode and birth of the folder above it. So no environment of an earlier boot (which
 * was never synced) and none that came with a copied home is ever opened, and two openers need no other lock to agree.
 */
export class LockEnvironment {
  readonly #folder: string;
  readonly #environment: Environment;
  readonly #inode: number;
  readonly #openerKey = Buffer.from(`${OPENER_PREFIX}${randomBytes(8).toString("hex")}`);
  #heartbeat: NodeJS.Timeout | undefined;
  #waiting = 0;

  constructor(home: string) {
    this.#folder = lockFolder(home);
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    this.#environment = new Environment(this.#folder);
    this.#inode = statSync(join(this.#folder, "lock.mdb")).ino;
  }

  /** Waits for the lock on another thread. */
  async hold<T>(action: () => T): Promise<T> {
    this.#waiting++;
    try {
      return await this.#environment.transact(() => this.#checked(action));
    } finally {
      this.#waiting--;
    }
  }

  /** Whether neither another process nor another call of this one can have the lock, so that waiting takes no time. */
  isAlone(): boolean {
    if (this.#waiting > 0) return false;
    this.refresh();
    return this.others() === 0;
  }

  /** Waits for the lock on this thread: only when nobody else is likely to have it. */
  holdSync<T>(action: () => T): T {
    return this.#environment.transactSync(() => this.#checked(action));
  }

  state(): SharedState | undefined {
    const bytes = this.#environment.getFast(STATE_KEY);
    return bytes && decodeState(bytes);
  }

  /** Only while the lock is held. */
  setState(state: SharedState): void {
    this.#environment.put(STATE_KEY, encodeState(state));
  }

  /** Later reads see what other processes have committed. */
  refresh(): void {
    this.#environment.refresh();
  }

  /**
   * Enters this process among those that have the store open. Only while the lock is held.
   * @throws as `checkNamespaces`
   */
  register(allowNamespaces: boolean): void {
    this.checkNamespaces(allowNamespaces);
    this.removeGone();
    this.#beat();
    const beat = () => {
      this.removeGone();
      this.#beat();
    };
    this.#heartbeat = setInterval(() => void this.hold(beat).catch(() => {}), HEARTBEAT_MILLISECONDS);
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
    for (const { key } of this.#environment.entries(OPENERS)) if (!this.#openerKey.equals(key)) count++;
    return count;
  }

  /** Drops the rows of processes that are gone. Only while the lock is held. */
  removeGone(): void {
    const own = pidNamespace();
    for (const [key, opener] of this.#openers())
      if (isGone(opener, own)) this.#environment.remove(Buffer.from(key));
  }

  /** The process that has had the store open the longest, for messages. */
  holder(): string {
    for (const [key, opener] of this.#openers())
      if (key !== this.#openerKey.toString()) return `process ${opener.pid}`;
    return "another process";
  }

  /** Only while the lock is held. */
  unregister(): void {
    clearInterval(this.#heartbeat);
    this.#environment.remove(this.#openerKey);
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
    return this.#environment.close();
  }

  #beat(): void {
    const opener: Opener = {
      pid: process.pid,
      start: processStart(process.pid) ?? "unknown",
      namespace: pidNamespace(),
      heartbeat: Date.now(),
    };
    this.#environment.put(this.#openerKey, Buffer.from(JSON.stringify(opener)));
  }

  *#openers(): Generator<[string, Opener]> {
    for (const { key, value } of this.#environment.entries(OPENERS)) {
      yield [key.toString(), JSON.parse(value.toString()) as Opener];
    }
  }

  /** The lock of a removed environment locks nobody out: whoever notices stops. */
  #checked<T>(action: () => T): T {
    if (inodeOf(join(this.#folder, "lock.mdb")) !== this.#inode) {
      throw new VarveError(
        "IO",
        `the lock of the store was removed or replaced while it was open (${this.#folder})`,
        {
          hint: "close all users of the store and open it again; nothing in the log is overwritten",
        },
      );
    }
    return action();
  }
}

/** Where the lock environment of this boot lies, whether it exists or not. */
export function lockFolder(home: string): string {
  const parent = join(home, "lock");
  const { dev, ino } = statSync(parent);
  const place = `${dev.toString(16)}-${ino.toString(16)}-${bornAt(parent)}`;
  return join(parent, `${currentBootId()}-${place}`);
}

function inodeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? 0;
}

function isGone(opener: Opener, ownNamespace: number): boolean {
  if (opener.namespace !== ownNamespace) return Date.now() - opener.heartbeat > SILENCE_MILLISECONDS_MAX;
  return processStart(opener.pid) !== opener.start;
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

const STATE_BYTES = 112;

function encodeState(state: SharedState): Buffer {
  const bytes = Buffer.alloc(STATE_BYTES);
  writePosition(bytes, 0, state.tail);
  writeUint53(bytes, state.durableSequence, 40);
  writeUint53(bytes, state.generation, 48);
  const flags = [state.indexUnclean, state.cutAtTail, state.syncFailed, state.indexSuspect];
  bytes[56] = flags.reduce((all, flag, bit) => all | (Number(flag) << bit), 0);
  bytes.write(state.identity.application, 64, 8, "latin1");
  bytes.write(state.identity.storeId, 72, 16, "hex");
  writeUint53(bytes, state.checkpointSequence, 88);
  writeUint53(bytes, state.logEpoch, 96);
  return bytes;
}

function decodeState(bytes: Buffer): SharedState {
  const flags = bytes[56]!;
  return {
    tail: readPosition(bytes, 0),
    durableSequence: readUint53(bytes, 40),
    generation: readUint53(bytes, 48),
    indexUnclean: (flags & 1) !== 0,
    cutAtTail: (flags & 2) !== 0,
    syncFailed: (flags & 4) !== 0,
    indexSuspect: (flags & 8) !== 0,
    checkpointSequence: readUint53(bytes, 88),
    logEpoch: readUint53(bytes, 96),
    identity: { application: bytes.toString("latin1", 64, 72), storeId: bytes.toString("hex", 72, 88) },
  };
}

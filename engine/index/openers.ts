import { randomBytes } from "node:crypto";
import { VarveError } from "../errors.ts";
import { rowChecksum } from "../log/checksum.ts";
import { pidNamespace, processStart } from "./boot.ts";
import type { Environment, EnvironmentRange } from "./lmdb.ts";

/** How often the users of a store give signs of life, and when one without is taken for gone; in milliseconds. */
export interface LockTimes {
  /** Between two signs of life. */
  beat: number;
  /** Between two looks whether records of the log were moved: see `EpochWatch`. */
  look: number;
  /**
   * One whose process is there is gone after so long: it may be a worker thread that was ended, or stopped, or be busy.
   * No more than speed rests on the difference, and one that goes on enters itself again.
   */
  silenceMax: number;
  /** The same for one of another PID namespace, of which nothing else is known. */
  foreignSilenceMax: number;
}

export const LOCK_TIMES: LockTimes = {
  beat: 5_000,
  look: 1_000,
  silenceMax: 60_000,
  foreignSilenceMax: 20_000,
};

/** What tells a process of now from all others, and when it was last heard of. */
export interface Sign {
  pid: number;
  start: string;
  namespace: number;
  /** Milliseconds since 1970. */
  heartbeat: number;
}

interface Opener extends Sign {
  /** The oldest epoch of the log that it may still read with: files that were replaced since are kept for it. */
  epoch: number;
}

/** Those that may write, and those that only read: nobody but who moves records has to know of these. */
export type OpenerKind = "opener" | "reader";

/** Those that may write. */
export const WRITERS = { start: Buffer.from("opener/"), end: Buffer.from("opener0") };
/** Those that only read too: no other key comes between the two kinds. */
export const EVERYBODY = { start: WRITERS.start, end: Buffer.from("reader0") };

function openerKey(kind: OpenerKind, id: string): Buffer {
  return Buffer.from(`${kind}/${id}`);
}

export function ownSign(): Sign {
  return {
    pid: process.pid,
    start: processStart(process.pid) ?? "unknown",
    namespace: pidNamespace(),
    heartbeat: Date.now(),
  };
}

const CHECKSUM_DIGITS = 8;

/** With a checksum before it: LMDB has none, and the number of a namespace with a flipped bit is another namespace. */
export function signBytes(sign: Sign): Buffer {
  const json = Buffer.from(JSON.stringify(sign));
  return Buffer.concat([Buffer.from(checksumText(json)), json]);
}

const checksumText = (json: Buffer): string => rowChecksum(json).toString(16).padStart(CHECKSUM_DIGITS, "0");

/** A sign that can't be read is nobody's: who is there gives another. */
export function signOf<T extends Sign>(value: Buffer): T {
  const json = value.subarray(CHECKSUM_DIGITS);
  if (value.toString("latin1", 0, CHECKSUM_DIGITS) === checksumText(json))
    return JSON.parse(json.toString()) as T;
  return { pid: 0, start: "nobody", namespace: pidNamespace(), heartbeat: 0 } as T;
}

export function isGone(sign: Sign, times: LockTimes): boolean {
  const silence = Date.now() - sign.heartbeat;
  if (sign.namespace !== pidNamespace()) return silence > times.foreignSilenceMax;
  return silence > times.silenceMax || processStart(sign.pid) !== sign.start;
}

/** The rows of the lock environment that say who has the store open. They are written only while the lock is held. */
export class Openers {
  readonly id = randomBytes(8).toString("hex");
  readonly #rows: () => Environment;
  readonly #times: LockTimes;
  #own: { key: Buffer; behind: Buffer; epoch: number } | undefined;
  #beatAt = 0;

  constructor(rows: () => Environment, times: LockTimes) {
    this.#rows = rows;
    this.#times = times;
  }

  enter(kind: OpenerKind, epoch: number): void {
    const key = openerKey(kind, this.id);
    this.#own = { key, behind: Buffer.concat([key, Buffer.alloc(1)]), epoch };
    this.beat();
  }

  beat(): void {
    if (!this.#own) return;
    const sign = ownSign();
    const opener: Opener = { ...sign, epoch: this.#own.epoch };
    this.#rows().put(this.#own.key, signBytes(opener));
    this.#beatAt = sign.heartbeat;
  }

  /** Whether the sign of life is so old that it must not wait for a better moment. */
  get isLate(): boolean {
    return Date.now() - this.#beatAt > 2 * this.#times.beat;
  }

  leave(): void {
    if (this.#own) this.#rows().remove(this.#own.key);
    this.#own = undefined;
  }

  /** What this one has acknowledged; undefined when it is not among the openers. */
  get epoch(): number | undefined {
    return this.#own?.epoch;
  }

  /** This one reads with nothing from before `epoch` any more. */
  acknowledge(epoch: number): void {
    if (!this.#own || epoch <= this.#own.epoch) return;
    this.#own.epoch = epoch;
    this.beat();
  }

  /** The oldest epoch that one of those that are there may still read with; infinite where nobody is. */
  oldestEpoch(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const { opener } of this.#openers(EVERYBODY)) {
      // Of a version that knew nothing of epochs.
      const epoch = typeof opener.epoch === "number" ? opener.epoch : 0;
      if (epoch < oldest && !isGone(opener, this.#times)) oldest = epoch;
    }
    return oldest;
  }

  /** How many others there are, those that died without a word included until somebody registers. */
  others(range: EnvironmentRange): number {
    let count = 0;
    for (const { key } of this.#rows().entries(range)) if (!this.#isOwn(key)) count++;
    return count;
  }

  /** Whether there are any others: each commit asks this, so it is two plain look-ups where there are none. */
  hasOthers({ start, end }: { start: Buffer; end: Buffer }): boolean {
    const rows = this.#rows();
    const first = rows.first({ start, end });
    if (!first || !this.#own || !first.isKey(this.#own.key)) return first !== undefined;
    return rows.first({ start: this.#own.behind, end }) !== undefined;
  }

  /** Whether the one of that name may write, and is not gone. */
  has(id: string): boolean {
    const value = this.#rows().get(openerKey("opener", id));
    return value !== undefined && !isGone(signOf<Opener>(value), this.#times);
  }

  removeGone(): void {
    for (const { key, opener } of [...this.#openers(EVERYBODY)])
      if (isGone(opener, this.#times)) this.#rows().remove(key);
  }

  /** @throws NOT_SUPPORTED when a process of another PID namespace has it open: LMDB can't tell their processes apart. */
  checkNamespaces(): void {
    const own = pidNamespace();
    for (const { opener } of this.#openers(WRITERS))
      if (opener.namespace !== own && !isGone(opener, this.#times)) throw otherNamespace(opener);
  }

  /** The process that has had the store open the longest, for messages. */
  first(): number | undefined {
    for (const { key, opener } of this.#openers(WRITERS)) if (!this.#isOwn(key)) return opener.pid;
    return undefined;
  }

  *#openers(range: EnvironmentRange): Generator<{ key: Buffer; opener: Opener }> {
    for (const { key, value } of this.#rows().entries(range))
      yield { key: Buffer.from(key), opener: signOf<Opener>(value) };
  }

  #isOwn(key: Buffer): boolean {
    return this.#own?.key.equals(key) ?? false;
  }
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

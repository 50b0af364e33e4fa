import { randomBytes } from "node:crypto";
import { VarveError } from "../errors.ts";
import type { Environment } from "./lmdb.ts";
import type { LockTimes, Sign } from "./openers.ts";
import { isGone, ownSign, signBytes, signOf } from "./openers.ts";

const LEASE_KEY = Buffer.from("compactor");

interface Holder extends Sign {
  id: string;
  /** It moves nothing, and is taken from by who is to move records. */
  yields?: boolean;
}

export interface LeaseParts {
  rows(): Environment;
  times: LockTimes;
  /** Waits for the lock; not asked again before it was had. */
  hold(action: () => void): Promise<void>;
}

/**
 * The right to move records of the log, which one process has at a time. It is lost by who is silent for too long: so each
 * step looks under the lock whether it is still his. All calls only while the lock is held.
 */
export class CompactorLease {
  readonly #parts: LeaseParts;
  readonly #id = randomBytes(8).toString("hex");
  readonly #timer: NodeJS.Timeout;
  readonly #yields: boolean;
  #beatAt = 0;
  #isWaiting = false;

  /**
   * @param yields it may be taken from this one
   * @throws CONFLICT when another one has it, in this process or elsewhere
   */
  constructor(parts: LeaseParts, yields = false) {
    this.#parts = parts;
    this.#yields = yields;
    const holder = compactorOf(parts);
    if (holder && (yields || !holder.yields)) throw isCompacting(holder);
    this.#write();
    // While a step takes long, or waits for others.
    this.#timer = setInterval(() => this.#beatSoon(), parts.times.beat);
    this.#timer.unref();
  }

  /** Whether nobody has taken it since; with a sign of life, when one is due. */
  isOurs(): boolean {
    const value = this.#parts.rows().getFast(LEASE_KEY);
    if (!value || signOf<Holder>(value).id !== this.#id) return false;
    if (Date.now() - this.#beatAt > this.#parts.times.beat) this.#write();
    return true;
  }

  /** A sign of life, unless it was lost. */
  beat(): void {
    if (this.isOurs()) this.#write();
  }

  /** Also where it was lost. */
  release(): void {
    clearInterval(this.#timer);
    if (this.isOurs()) this.#parts.rows().remove(LEASE_KEY);
  }

  /** Without the lock: no more signs of life, so that it ends by itself. */
  forget(): void {
    clearInterval(this.#timer);
  }

  #write(): void {
    const holder: Holder = { ...ownSign(), id: this.#id, ...(this.#yields && { yields: true }) };
    this.#parts.rows().put(LEASE_KEY, signBytes(holder));
    this.#beatAt = holder.heartbeat;
  }

  #beatSoon(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    const beating = this.#parts.hold(() => this.beat());
    void beating.catch(() => {}).finally(() => (this.#isWaiting = false));
  }
}

/** Who has the lease, and is there. */
export function compactorOf({ rows, times }: Pick<LeaseParts, "rows" | "times">): Holder | undefined {
  const value = rows().getFast(LEASE_KEY);
  const holder = value && signOf<Holder>(value);
  return holder && !isGone(holder, times) ? holder : undefined;
}

function isCompacting({ pid }: Sign): VarveError {
  const who = pid === process.pid ? "this process" : `process ${pid}`;
  return new VarveError("CONFLICT", `${who} is compacting the store`, {
    hint: "wait until it has ended, and try again; it loses nothing when it is ended",
    details: { pid },
  });
}

import { randomBytes } from "node:crypto";
import { pinKey, pinsRange } from "../artifact-key.ts";
import { OPERATION_BYTES } from "../commit.ts";
import type { EngineCore } from "../engine.ts";
import { VarveError } from "../errors.ts";
import type { Transaction } from "../transaction.ts";
import { preparePayload } from "../transaction.ts";
import { REFERENCES_PER_ROW } from "./part.ts";

/** Each lets go of some hundred blobs, for which everybody else waits. */
const ROWS_PER_COMMIT = 16;
const PAGE_ROWS = 64;

export interface Pin {
  key: Buffer;
  references: Buffer[];
}

/**
 * What keeps blobs from being compacted away that a save has written, or has met, before there is a version that needs
 * them: rows like any others, whose content says which opener of the store they belong to. Those of an opener that is gone
 * are removed before a compaction.
 */
export class Pins {
  readonly #core: EngineCore;
  readonly #id = randomBytes(8);
  #count = 0;
  #firstPut: Buffer | undefined;

  constructor(core: EngineCore) {
    this.#core = core;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Pins of these blobs, to be put in the batch that writes, or has met, them: a batch may be tried again. */
  of(digests: readonly Buffer[]): Pin[] {
    const pins: Pin[] = [];
    for (let from = 0; from < digests.length; from += REFERENCES_PER_ROW)
      pins.push({
        key: this.#key(this.#count++),
        references: digests.slice(from, from + REFERENCES_PER_ROW),
      });
    return pins;
  }

  put(transaction: Transaction, pins: readonly Pin[]): void {
    const owner = Buffer.from(this.#core.lock!.openerId, "latin1");
    for (const { key, references } of pins) {
      transaction.put(key, preparePayload(references, owner, 0n), { isNew: true });
      this.#firstPut ??= key;
    }
  }

  /** @throws UNAVAILABLE when somebody took this process for gone: what was written may be gone too */
  check(transaction: Transaction): void {
    for (let number = 0; number < this.#count; number++)
      if (!transaction.row(this.#key(number))) throw goneMeanwhile();
  }

  /** As `check`, where it need not be for certain: the first of them is the first to go. */
  checkFirst(transaction: Transaction): void {
    if (this.#firstPut && !transaction.row(this.#firstPut)) throw goneMeanwhile();
  }

  /** Once a version needs the blobs, or nothing does. What can't be removed is once the store is closed. */
  async remove(): Promise<void> {
    const keys = Array.from({ length: this.#count }, (_, number) => this.#key(number));
    this.#count = 0;
    await removeRows(this.#core, keys, () => true);
  }

  #key(number: number): Buffer {
    return pinKey(this.#id, number);
  }
}

/** Removes the pins of openers that are gone. */
export async function removeStalePins(core: EngineCore): Promise<void> {
  let range = pinsRange();
  for (;;) {
    const page = await core.reading(() => core.rows({ ...range, limit: PAGE_ROWS }));
    const last = page.at(-1);
    if (!last) return;
    const keys = page.filter(({ row }) => isStale(core, row.inline)).map(({ key }) => key);
    await removeRows(core, keys, (owner) => isStale(core, owner));
    range = { ...range, start: Buffer.concat([last.key, Buffer.alloc(1)]) };
  }
}

/** Whether the opener that a pin belongs to is gone. */
export function isStale(core: EngineCore, owner: Buffer | undefined): boolean {
  if (!core.lock) return false;
  return owner === undefined || !core.lock.isOpenBy(owner.toString("latin1"));
}

async function removeRows(
  core: EngineCore,
  keys: readonly Buffer[],
  isToGo: (owner: Buffer | undefined) => boolean,
): Promise<void> {
  for (let from = 0; from < keys.length; from += ROWS_PER_COMMIT) {
    const some = keys.slice(from, from + ROWS_PER_COMMIT);
    const run = (transaction: Transaction) => {
      for (const key of some) {
        const row = transaction.row(key);
        if (row && isToGo(row.inline)) transaction.delete(key);
      }
    };
    await core.commit({ run, bytes: some.length * OPERATION_BYTES, durable: false, reserve: true });
  }
}

/** What a save had met, or had written itself, was compacted away: this process was stopped for long, or pins came too late. */
export function goneMeanwhile(): VarveError {
  return new VarveError("UNAVAILABLE", "parts of the value were compacted away while it was being saved", {
    hint: "save it again: nothing else is lost",
    details: { gone: true },
  });
}

export function isGoneMeanwhile(error: unknown): boolean {
  return error instanceof VarveError && error.details?.gone === true;
}

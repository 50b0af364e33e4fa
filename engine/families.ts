import type { Row } from "./index/rows.ts";

/** Enough for a hot working set; when full it is emptied, which costs one look-up a family. */
const FAMILIES_MAX = 8_192;
/** Of which families were asked for once, as many are remembered at most, by the operation of their first row. */
const ASKED_SLOTS = 16_384;

export interface FamilyRow {
  key: Buffer;
  row: Row;
}

/** Which family of keys a key belongs to, if any: the application knows. */
export type FamilyOf = (key: Uint8Array) => string | undefined;

/**
 * The first row of each family of keys that was asked for lately (of a name, its newest version): to find it in the
 * index takes several times as long. What others write empties it; what this process writes keeps it right.
 */
export class Families {
  readonly #familyOf: FamilyOf | undefined;
  readonly #first = new Map<string, FamilyRow>();
  readonly #asked = new Float64Array(ASKED_SLOTS);

  /** @param familyOf without it nothing is kept, since nobody could tell what a write makes stale */
  constructor(familyOf: FamilyOf | undefined) {
    this.#familyOf = familyOf;
  }

  get(family: string): FamilyRow | undefined {
    return this.#first.get(family);
  }

  /** What was looked up: it is kept from the second time on, as most of many are not asked for again. */
  found(family: string, first: FamilyRow): void {
    if (!this.#familyOf) return;
    const { sequence } = first.row;
    const slot = sequence % ASKED_SLOTS;
    if (this.#asked[slot] !== sequence) {
      this.#asked[slot] = sequence;
      return;
    }
    if (this.#first.size >= FAMILIES_MAX) this.#first.clear();
    this.#first.set(family, first);
  }

  /** A row was written, or (without one) removed. */
  wrote(key: Uint8Array, row: Row | undefined): void {
    if (this.#first.size === 0) return;
    const family = this.#familyOf?.(key);
    const known = family === undefined ? undefined : this.#first.get(family);
    if (!known) return;
    const order = Buffer.compare(key, known.key);
    if (order > 0) return;
    if (row) this.#first.set(family!, { key: Buffer.from(key), row });
    else this.#first.delete(family!);
  }

  clear(): void {
    this.#first.clear();
  }
}

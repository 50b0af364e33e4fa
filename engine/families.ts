import type { Row } from "./index/rows.ts";

/** Enough for a hot working set; when full it is emptied in the end, which costs one look-up a family. */
const FAMILIES_MAX = 8_192;
/** Look-ups that a full one has not spared, until it is emptied: what is asked for may have changed. */
const MISSES_MAX = 8 * FAMILIES_MAX;
/** Of which families were asked for once, as many are remembered at most, by their first row. */
const ASKED_SLOTS = 16_384;
/** What is left of 32 bits is a slot. */
const ASKED_SHIFT = 32 - 14;
const SPREAD = 0x9e3779b1;

export interface FamilyRow {
  key: Buffer;
  row: Row;
}

/** Which family of keys a key belongs to, if any: the application knows. */
export type FamilyOf = (key: Uint8Array) => string | undefined;

/**
 * The first row of each family of keys that was asked for lately (of a name, its newest version): to find it in the
 * index takes several times as long. What others write empties it; what this process writes keeps it right. In the
 * key-value engine each text is a family, of one key.
 */
export class Families {
  readonly #familyOf: FamilyOf | undefined;
  readonly #first = new Map<string, FamilyRow>();
  #missed = 0;
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
    if (!this.#familyOf || (this.#first.size >= FAMILIES_MAX && !this.#isEmptied())) return;
    const { sequence, place } = first.row;
    // Those of one batch have the same number, and each its own place.
    const mark = sequence + place.offset;
    const slot = Math.imul(mark, SPREAD) >>> ASKED_SHIFT;
    if (this.#asked[slot] !== mark) {
      this.#asked[slot] = mark;
      return;
    }
    this.#first.set(family, first);
  }

  /** Whether there is room, now that it was full: of more than go into it, others are no better than those that are there. */
  #isEmptied(): boolean {
    this.#missed++;
    if (this.#missed < MISSES_MAX) return false;
    this.clear();
    return true;
  }

  /** A row was written, or (without one) removed. */
  wrote(key: Uint8Array, row: Row | undefined): void {
    if (this.#first.size === 0) return;
    const family = this.#familyOf?.(key);
    const known = family === undefined ? undefined : this.#first.get(family);
    if (!known) return;
    const order = Buffer.compare(key, known.key);
    if (order > 0) return;
    if (row) this.#first.set(family!, { key: Buffer.from(key), row: kept(row) });
    else this.#first.delete(family!);
  }

  clear(): void {
    this.#missed = 0;
    this.#first.clear();
  }
}

/** What was just written may be a view of a long piece of memory, which would be kept as long as the row is. */
function kept(row: Row): Row {
  return row.inline ? { ...row, inline: Buffer.from(row.inline) } : row;
}

import type { Key } from "../../engine/key.ts";
import type { RangeOptions } from "../../engine/key-value-api.ts";
import { compareLists, compareText, Refused } from "./support.ts";

/** The documented order: numbers, strings by code point, bytes, arrays element by element. */
export function compareKeys(a: Key, b: Key): number {
  const byKind = Math.sign(kindOf(a) - kindOf(b));
  if (byKind !== 0) return byKind;
  if (typeof a === "number") return Math.sign(a === b ? 0 : a - (b as number));
  if (typeof a === "string") return compareText(a, b as string);
  if (a instanceof Uint8Array)
    return compareLists([...a], [...(b as Uint8Array)], (x, y) => Math.sign(x - y));
  return compareLists(a, b as (string | number)[], compareKeys);
}

function kindOf(key: Key): number {
  if (typeof key === "number") return 0;
  if (typeof key === "string") return 1;
  return key instanceof Uint8Array ? 2 : 3;
}

export interface ModelEntry {
  key: Key;
  value: unknown;
  sequence: number;
}

export type ModelOperation =
  | { type: "put"; key: Key; value: unknown; ifAbsent?: boolean; ifSequence?: number }
  | { type: "del"; key: Key };

/** The key-value engine as a sorted array. */
export class KeyValueModel {
  #entries: readonly ModelEntry[] = [];
  #sequence = 0;

  get sequence(): number {
    return this.#sequence;
  }

  get keys(): number {
    return this.#entries.length;
  }

  snapshot(): KeyValueModel {
    const copy = new KeyValueModel();
    copy.#entries = this.#entries;
    copy.#sequence = this.#sequence;
    return copy;
  }

  /** All or none. An operation that changes nothing takes no sequence number. */
  apply(operations: readonly ModelOperation[]): { sequence: number } {
    let entries = this.#entries;
    const sequence = this.#sequence + 1;
    for (const operation of operations) {
      const at = entries.findIndex(({ key }) => compareKeys(key, operation.key) >= 0);
      const place = at < 0 ? entries.length : at;
      const old =
        entries[place] && compareKeys(entries[place].key, operation.key) === 0 ? entries[place] : undefined;
      if (operation.type === "del") {
        if (old) entries = entries.toSpliced(place, 1);
        continue;
      }
      const { key, value, ifAbsent, ifSequence } = operation;
      if ((ifAbsent && old) || (ifSequence !== undefined && old?.sequence !== ifSequence))
        throw new Refused("CONFLICT");
      entries = entries.toSpliced(place, old ? 1 : 0, { key, value, sequence });
    }
    if (entries !== this.#entries) this.#sequence = sequence;
    this.#entries = entries;
    return { sequence: this.#sequence };
  }

  get(key: Key): ModelEntry | undefined {
    return this.#entries.find((entry) => compareKeys(entry.key, key) === 0);
  }

  range(options: RangeOptions): ModelEntry[] {
    const { gt, gte, lt, lte, prefix, reverse, limit } = options;
    const bounds = [gt, gte, lt, lte].filter((bound) => bound !== undefined).length;
    if (prefix !== undefined && bounds > 0) throw new Refused("INVALID_ARGUMENT");
    if ((gt !== undefined && gte !== undefined) || (lt !== undefined && lte !== undefined))
      throw new Refused("INVALID_ARGUMENT");
    const inside = this.#entries.filter(
      ({ key }) =>
        (gt === undefined || compareKeys(key, gt) > 0) &&
        (gte === undefined || compareKeys(key, gte) >= 0) &&
        (lt === undefined || compareKeys(key, lt) < 0) &&
        (lte === undefined || compareKeys(key, lte) <= 0) &&
        (prefix === undefined || beginsWith(key, prefix)),
    );
    return (reverse ? inside.reverse() : inside).slice(0, limit);
  }
}

export function beginsWith(key: Key, prefix: Key): boolean {
  if (kindOf(key) !== kindOf(prefix)) return false;
  if (typeof key === "string") return key.startsWith(prefix as string);
  const [items, first] = [key as readonly unknown[], prefix as readonly unknown[]];
  return [...first].every(
    (item, i) => i < items.length && (item === items[i] || (item === 0 && items[i] === 0)),
  );
}

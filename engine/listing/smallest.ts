/** A version's place in a sorted list: small, so that many can be kept. */
export interface Entry {
  value: number;
  /** The version's key: it decides between equal values. */
  key: Buffer;
}

export function compareEntries(a: Entry, b: Entry): number {
  return a.value - b.value || Buffer.compare(a.key, b.key);
}

/** The first `count` entries of all that are added, in an order; at most twice as many are kept meanwhile. */
export class Smallest {
  readonly #count: number;
  readonly #compare: (a: Entry, b: Entry) => number;
  #entries: Entry[] = [];
  /** What comes behind it is not among the first. */
  #bound: Entry | undefined;

  constructor(count: number, compare: (a: Entry, b: Entry) => number) {
    this.#count = count;
    this.#compare = compare;
  }

  /** Whether an entry could be among the first, as far as is known. */
  wants(entry: Entry): boolean {
    return this.#bound === undefined || this.#compare(entry, this.#bound) < 0;
  }

  add(entry: Entry): void {
    this.#entries.push(entry);
    if (this.#entries.length >= 2 * this.#count) this.#cut();
  }

  sorted(): Entry[] {
    this.#cut();
    return this.#entries;
  }

  #cut(): void {
    this.#entries.sort(this.#compare);
    if (this.#entries.length < this.#count) return;
    this.#entries.length = this.#count;
    this.#bound = this.#entries.at(-1);
  }
}

/** The values that are measured with: the same for every subject, and again with the same seed. */

export interface Entry {
  name: string;
  value: Experiment;
}

/** What someone keeps of an experiment. About 917 bytes as CBOR unless told otherwise. */
export interface Experiment {
  run: number;
  model: string;
  parameters: { learningRate: number; layers: number; optimizer: string };
  metrics: { accuracy: number; loss: number };
  history: number[];
  notes: string;
}

export const VALUE_BYTES = 917;
/** What an experiment takes as CBOR without its notes. */
const BARE_BYTES = 369;
const HISTORY_LENGTH = 24;
const WORDS = "layer of silt a dry summer left thin and cold water kept apart from sand and ash".split(" ");

/** Numbers from 0 up to, not including, 1 (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function notesOf(length: number, random: () => number): string {
  const words: string[] = [];
  for (let left = length; left > 0; left -= words.at(-1)!.length + 1) {
    words.push(WORDS[Math.floor(random() * WORDS.length)]!);
  }
  return words.join(" ").slice(0, length);
}

function experimentOf(run: number, bytes: number, random: () => number): Experiment {
  return {
    run,
    model: "penguins/softmax",
    parameters: { learningRate: random() / 10, layers: 2 + Math.floor(random() * 8), optimizer: "adam" },
    metrics: { accuracy: random(), loss: random() },
    history: Array.from({ length: HISTORY_LENGTH }, random),
    notes: notesOf(Math.max(0, bytes - BARE_BYTES), random),
  };
}

export interface ValueOptions {
  seed: number;
  /** Bytes of a value as CBOR, about. */
  bytes: number;
}

/** Entries are to be used up before so many more are taken: their values are objects that come round. */
export const POOL_VALUES = 4_000;
const POOL_VALUES_MIN = 1_000;
const PART_ENTRIES = 1_000;
const POOL_BYTES_MAX = 256 * 1024 * 1024;

/** Gives entries under the names `artifact/000000000` and on. Making the values isn't part of what is measured. */
export class EntrySource {
  readonly #pool: Experiment[];
  readonly #isRepeating: boolean;
  #next: number;

  /** `repeating`: values come again unchanged, under new names; else no two are the same. */
  constructor({ seed, bytes }: ValueOptions, { first = 0, repeating = false } = {}) {
    const random = randomFrom(seed);
    this.#pool = Array.from({ length: poolLength(bytes) }, (_, run) => experimentOf(run, bytes, random));
    this.#isRepeating = repeating;
    this.#next = first;
  }

  next(): Entry {
    const run = this.#next++;
    const value = this.#pool[run % this.#pool.length]!;
    if (!this.#isRepeating) value.run = run;
    return { name: nameOf(run), value };
  }

  take(count: number): Entry[] {
    return Array.from({ length: count }, () => this.next());
  }

  /** So many, some at a time, as a store is filled. */
  *takeInParts(count: number): Generator<Entry[]> {
    for (let left = count; left > 0; left -= PART_ENTRIES) yield this.take(Math.min(left, PART_ENTRIES));
  }
}

/** At least as many as are in flight; no more than memory is good for where values are large. */
function poolLength(bytes: number): number {
  return Math.max(POOL_VALUES_MIN, Math.min(POOL_VALUES, Math.floor(POOL_BYTES_MAX / bytes)));
}

export function nameOf(run: number): string {
  return `artifact/${String(run).padStart(9, "0")}`;
}

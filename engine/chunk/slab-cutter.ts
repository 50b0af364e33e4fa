import { contentDigest } from "../blob/digest.ts";
import { DIGEST_BYTES } from "../log/format.ts";
import { nextCut } from "./cutter.ts";
import type { CutAnswer } from "./second-cutter.ts";
import { SecondCutter } from "./second-cutter.ts";
import type { Slab } from "./slab.ts";
import { SLAB_BEGIN } from "./slab.ts";

/** A slab that is full, or has the last bytes of a value. */
export interface FullSlab {
  slab: Slab;
  end: number;
  isLast: boolean;
}

/** A chunk within a slab. */
export interface Cut {
  start: number;
  end: number;
  digest: Buffer;
}

/** A slab, and where in it chunks lie: looked for as they are asked for, unless another thread has found them. */
export interface CutSlab {
  slab: Slab;
  cuts: Iterable<Cut>;
}

interface Given extends FullSlab {
  answer: Promise<CutAnswer | undefined> | undefined;
}

/** So much of a value is cut before another thread is begun, which takes some 40 ms. */
const SLABS_ALONE = 16;
/** Given to the other thread and not asked for yet: so many that it has always something to do. */
const AHEAD = 2;

/**
 * Cuts slabs, which go on behind each other, into chunks, and takes their digests. Of a long value another thread does that, as
 * far as one can be had: each slab is one's or the other's, and where the one stopped the other can go on.
 */
export class SlabCutter {
  readonly #given: Given[] = [];
  #slabs = 0;
  /** What of the slab that was cut last has no end yet. */
  #left = 0;
  #second: SecondCutter | undefined;
  #isEnding = false;

  give(full: FullSlab): void {
    this.#slabs++;
    if (this.#slabs === SLABS_ALONE && !full.isLast) this.#second = SecondCutter.start();
    this.#isEnding = full.isLast;
    this.#given.push({ ...full, answer: this.#secondAnswer(full) });
  }

  /** The next that is to be asked for, if any is; each is to be gone through to its end before. */
  next(): Promise<CutSlab> | undefined {
    const ahead = this.#isEnding || !this.#given[0]?.answer ? 0 : AHEAD;
    return this.#given.length > ahead ? this.#cutSlab(this.#given.shift()!) : undefined;
  }

  async close(): Promise<void> {
    await this.#second?.end();
  }

  #secondAnswer({ slab: { memory }, end, isLast }: FullSlab): Promise<CutAnswer | undefined> | undefined {
    if (!this.#second?.isReady) return undefined;
    const from = this.#given.length === 0 ? SLAB_BEGIN - this.#left : undefined;
    return this.#second.cut({ memory, end, isLast, from });
  }

  async #cutSlab(given: Given): Promise<CutSlab> {
    const answer = await given.answer;
    return { slab: given.slab, cuts: this.#cuts(given, answer) };
  }

  *#cuts({ slab: { bytes }, end, isLast }: FullSlab, answer: CutAnswer | undefined): Generator<Cut> {
    let start = SLAB_BEGIN - this.#left;
    for (let i = 0; start < end; i++) {
      const cut = answer ? answer.ends[i] : nextCut(bytes, start, end, isLast);
      if (cut === undefined) break;
      const digest = answer ? digestAt(answer, i) : contentDigest(bytes.subarray(start, cut));
      yield { start, end: cut, digest };
      start = cut;
    }
    this.#left = end - start;
  }
}

function digestAt({ digests }: CutAnswer, i: number): Buffer {
  return Buffer.from(digests.buffer, digests.byteOffset + i * DIGEST_BYTES, DIGEST_BYTES);
}

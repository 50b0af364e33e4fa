import { contentDigest } from "../blob/digest.ts";
import { VarveError } from "../errors.ts";
import { DIGEST_BYTES } from "../log/format.ts";
import { encodeList, LIST_REFERENCES_MAX } from "./node.ts";

/**
 * Lists are cut by what they list, as values are by their bytes: a list ends behind a reference whose digest begins with
 * a zero byte, but not before it has 64 references, and at the latest with 1,024. So behind a change the old lists come
 * back. Part of the format, as the cuts are.
 */
export const LIST_REFERENCES_MIN = 64;
/** Of lists of random digests, for estimates. */
export const LIST_REFERENCES_AVERAGE = 313;

/** A list that is complete. */
export interface ListNode {
  /** SHA-256 of its bytes. */
  digest: Buffer;
  bytes: Uint8Array;
  level: number;
  /** How many bytes of the value it stands for. */
  size: number;
}

const NONE: readonly ListNode[] = [];

/** Makes the tree of lists over the chunks of a value, as they come. Holds one unfinished list a level. */
export class ListBuilder {
  readonly #levels: OpenList[] = [];

  /**
   * @param length of the chunk
   * @returns the lists that are complete with it, each behind those that it refers to
   */
  add(digest: Uint8Array, length: number): readonly ListNode[] {
    const list = this.#level(1).add(digest, length);
    return list === undefined ? NONE : this.#raise(list);
  }

  /** @returns the lists that were still open, and the one from which all chunks are reached */
  end(): { nodes: readonly ListNode[]; root: ListNode } {
    const nodes: ListNode[] = [];
    for (let level = 1; level <= this.#levels.length; level++) {
      const open = this.#level(level);
      // What is alone at its level needs nothing above it.
      if (level === this.#levels.length && open.only) return { nodes, root: open.only };
      if (open.count > 0) nodes.push(...this.#raise(open.finish()));
    }
    throw new VarveError("INVALID_ARGUMENT", "there is no list of no chunks", {
      hint: "an empty value is kept whole",
    });
  }

  /** A list, and those above that are complete with it. */
  #raise(list: ListNode): ListNode[] {
    const above = this.#level(list.level + 1).add(list.digest, list.size, list);
    return above === undefined ? [list] : [list, ...this.#raise(above)];
  }

  #level(level: number): OpenList {
    const open = this.#levels[level - 1] ?? new OpenList(level);
    this.#levels[level - 1] = open;
    return open;
  }
}

/** The list at the end of a level. */
class OpenList {
  readonly #level: number;
  readonly #digests = new Uint8Array(LIST_REFERENCES_MAX * DIGEST_BYTES);
  readonly #lengths = new Float64Array(LIST_REFERENCES_MAX);
  #size = 0;
  count = 0;
  /** The list below, as long as this level has had no other. */
  only: ListNode | undefined;
  #isFirst = true;

  constructor(level: number) {
    this.#level = level;
  }

  add(digest: Uint8Array, length: number, list?: ListNode): ListNode | undefined {
    this.only = this.#isFirst ? list : undefined;
    this.#isFirst = false;
    this.#digests.set(digest, this.count * DIGEST_BYTES);
    this.#lengths[this.count] = length;
    this.#size += length;
    this.count += 1;
    const isEnd = this.count >= LIST_REFERENCES_MIN && digest[0] === 0;
    return isEnd || this.count === LIST_REFERENCES_MAX ? this.finish() : undefined;
  }

  finish(): ListNode {
    const digests = this.#digests.subarray(0, this.count * DIGEST_BYTES);
    const bytes = encodeList(this.#level, digests, this.#lengths.subarray(0, this.count));
    const size = this.#size;
    this.count = 0;
    this.#size = 0;
    return { digest: contentDigest(bytes), bytes, level: this.#level, size };
  }
}

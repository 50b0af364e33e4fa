import type { EarlierPiece, EarlierTree } from "./changes.ts";
import { keyOf } from "./entry.ts";
import type { Found } from "./scan.ts";
import { isSettled } from "./stamps.ts";

/** Where entries go. */
export interface EntryTarget {
  /** Whether what is added next begins a piece of the manifest. */
  readonly isBetweenPieces: boolean;
  add(found: Found): void | Promise<void>;
  /** Takes a whole piece as it was. False where that can't be relied on. */
  addPiece(piece: EarlierPiece): boolean;
}

/**
 * Entries on their way to the manifest. Those that make up a whole piece as it was in the earlier tree are not written
 * again one by one: a piece that begins with the same key, and has the same entries, has the same bytes.
 */
export class UnchangedPieces {
  readonly #earlier: EarlierTree;
  readonly #target: EntryTarget;
  readonly #beganNs: bigint;
  #piece: EarlierPiece | undefined;
  /** So many entries of the piece were found again, which wait for the others. */
  #waiting: Found[] = [];

  constructor(earlier: EarlierTree, target: EntryTarget, beganNs: bigint) {
    this.#earlier = earlier;
    this.#target = target;
    this.#beganNs = beganNs;
  }

  /** Whether entries wait for the rest of their piece. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** A promise only where something is waited for. */
  add(found: Found): void | Promise<void> {
    if (this.#piece) return this.#goOn(this.#piece, found);
    if (!this.#target.isBetweenPieces) return this.#target.add(found);
    const piece = this.#earlier.beginningWith(keyOf(found));
    return piece instanceof Promise
      ? piece.then((each) => this.#begin(each, found))
      : this.#begin(piece, found);
  }

  /** There are no more. */
  end(): void | Promise<void> {
    if (this.#piece && this.#waiting.length > 0) return this.#endPiece(this.#piece);
  }

  #begin(piece: EarlierPiece | undefined, found: Found): void | Promise<void> {
    this.#piece = piece;
    return piece ? this.#goOn(piece, found) : this.#target.add(found);
  }

  #goOn(piece: EarlierPiece, found: Found): void | Promise<void> {
    const count = this.#waiting.length;
    if (count === piece.entryCount || !this.#isSame(piece, found)) return this.#giveUp(found);
    this.#waiting.push(found);
    // One that ended because the tree did goes on if there is something behind it now.
    if (count + 1 === piece.entryCount && !piece.isLast) return this.#endPiece(piece);
  }

  #isSame(piece: EarlierPiece, found: Found): boolean {
    if (!piece.isNext(found)) return false;
    return found.kind !== "file" || isSettled(found.stamp, this.#beganNs);
  }

  #endPiece(piece: EarlierPiece): void | Promise<void> {
    if (!piece.isWhole || !this.#target.addPiece(piece)) return this.#giveUp();
    this.#piece = undefined;
    this.#waiting = [];
  }

  async #giveUp(...more: Found[]): Promise<void> {
    const waiting = this.#waiting;
    this.#piece = undefined;
    this.#waiting = [];
    for (const found of [...waiting, ...more]) await this.#target.add(found);
  }
}

import type { Runs } from "./merged.ts";
import { MergedRuns } from "./merged.ts";

/** Some 30,000 rows of blobs, or 15,000 others: what is put into an index in one transaction. */
export const PIECE_BYTES = 2 * 1024 * 1024;

/** Entries one behind the other. */
export interface Piece {
  bytes: Buffer;
  /** As `MergedRuns.fill` gives it. */
  used: number;
}

/** What is to be put into a new index, piece by piece. */
export interface Pieces {
  /** Valid until the next one. */
  next(): Piece;
  close(): void;
}

/** As this thread merges it. */
export class MergedHere implements Pieces {
  readonly #merged: MergedRuns;
  readonly #bytes = Buffer.allocUnsafeSlow(PIECE_BYTES);

  constructor(runs: Runs) {
    this.#merged = new MergedRuns(runs);
  }

  next(): Piece {
    return { bytes: this.#bytes, used: this.#merged.fill(this.#bytes) };
  }

  close(): void {
    this.#merged.close();
  }
}

import { ByteWriter } from "./bytes.ts";
import type { Stamp, TreeEntry } from "./entry.ts";
import type { RootPiece } from "./format.ts";
import { writeRoot } from "./format.ts";
import type { PutNode } from "./node.ts";
import type { NewPiece } from "./piece-writer.ts";
import { PieceWriter } from "./piece-writer.ts";
import { encodeStampsRoot } from "./stamps.ts";

/** What a tree was written as. */
export interface WrittenTree {
  /** The digest of the manifest's root: equal for equal trees. */
  root: Uint8Array;
  /** The digest of what tells whether files are still the same. */
  stamps: Uint8Array;
  entryCount: number;
  /** Bytes of all files. */
  size: number;
}

/** What a piece was put away as. */
export interface PutPiece extends RootPiece {
  stampsDigest: Uint8Array;
}

/** Takes entries in the order of their keys, and gives nodes to be kept as they are full. */
export class ManifestWriter {
  readonly #put: PutNode;
  readonly #writer = new PieceWriter();
  readonly #pieces: RootPiece[] = [];
  readonly #stampPieces: Uint8Array[] = [];
  #total = { entryCount: 0, size: 0 };

  constructor(put: PutNode) {
    this.#put = put;
  }

  /** @param stamp of a file that need not be read next time if it still has this */
  add(entry: TreeEntry, stamp?: Stamp): void {
    const piece = this.#writer.add(entry, stamp);
    if (piece) this.putPiece(piece);
  }

  /** Whether the next entry begins a piece. */
  get isBetweenPieces(): boolean {
    return this.#writer.isBetweenPieces;
  }

  /** Between pieces: one that was made elsewhere, of the entries that come next. */
  putPiece({ node, stamps, entryCount, first, size }: NewPiece): PutPiece {
    const piece = { digest: this.#put(node), entryCount, first, stampsDigest: this.#put(stamps) };
    this.addPiece(piece, size);
    return piece;
  }

  /** Between pieces: one that was put before, of another tree that has it too. @param size bytes of its files */
  addPiece(piece: PutPiece, size: number): void {
    this.#pieces.push(piece);
    this.#stampPieces.push(piece.stampsDigest);
    this.#total.entryCount += piece.entryCount;
    this.#total.size += size;
  }

  finish(): WrittenTree {
    const last = this.#writer.end();
    if (last) this.putPiece(last);
    const writer = new ByteWriter();
    writeRoot(writer, this.#total, this.#pieces);
    const references = this.#pieces.map(({ digest }) => digest);
    const root = this.#put({ references, content: writer.taken() });
    const stamps = this.#put(encodeStampsRoot(this.#stampPieces));
    return { root, stamps, ...this.#total };
  }
}

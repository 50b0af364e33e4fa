import { NodeKind } from "../chunk/node.ts";
import { rowChecksum } from "../log/checksum.ts";
import { ByteWriter } from "./bytes.ts";
import type { Stamp, TreeEntry } from "./entry.ts";
import { keyOf } from "./entry.ts";
import { latin1, PIECE_BYTES_MAX, PIECE_ENTRIES_MAX, writeEntry, writeHead, writeKey } from "./format.ts";
import type { ManifestNode } from "./node.ts";
import { encodeStamps } from "./stamps.ts";

/** A piece ends behind one key of 256, and so at the same places whatever else the tree has. */
const CUT_MASK = 0xff;

/** A piece of a manifest that was not put away yet. */
export interface NewPiece {
  node: ManifestNode;
  stamps: ManifestNode;
  entryCount: number;
  /** Its first key. */
  first: string;
  /** Bytes of its files. */
  size: number;
}

/** Makes pieces of entries, which come in the order of their keys. */
export class PieceWriter {
  #entries = new ByteWriter();
  #references: Uint8Array[] = [];
  #indexes = new Map<string, number>();
  #stamps: (Stamp | undefined)[] = [];
  #entryCount = 0;
  #size = 0;
  #first = "";
  #previous: Buffer = Buffer.alloc(0);

  /** Whether the next entry begins a piece. */
  get isBetweenPieces(): boolean {
    return this.#entryCount === 0;
  }

  /**
   * Gives the piece that ends with this entry, if one does.
   * @param stamp of a file that need not be read next time if it still has this
   */
  add(entry: TreeEntry, stamp?: Stamp): NewPiece | undefined {
    const text = keyOf(entry);
    const key = Buffer.from(text);
    if (this.#entryCount === 0) this.#first = text;
    writeKey(this.#entries, key, this.#previous);
    writeEntry(this.#entries, entry, (digest) => this.#indexOf(digest));
    if (entry.kind === "file") {
      this.#stamps.push(stamp);
      this.#size += entry.size;
    }
    this.#previous = key;
    this.#entryCount++;
    const isFull = this.#entryCount === PIECE_ENTRIES_MAX || this.#entries.length >= PIECE_BYTES_MAX;
    return isFull || (rowChecksum(key) & CUT_MASK) === 0 ? this.end() : undefined;
  }

  /** The piece that was begun, if any. */
  end(): NewPiece | undefined {
    if (this.#entryCount === 0) return undefined;
    const head = new ByteWriter();
    writeHead(head, NodeKind.directoryPiece);
    head.number(this.#entryCount);
    const content = Buffer.concat([head.taken(), this.#entries.taken()]);
    const piece = {
      node: { references: this.#references, content },
      stamps: encodeStamps(this.#stamps),
      entryCount: this.#entryCount,
      first: this.#first,
      size: this.#size,
    };
    this.#entries = new ByteWriter();
    this.#references = [];
    this.#indexes = new Map();
    this.#stamps = [];
    this.#entryCount = 0;
    this.#size = 0;
    this.#previous = Buffer.alloc(0);
    return piece;
  }

  #indexOf(digest: Uint8Array): number {
    const text = latin1(digest);
    const found = this.#indexes.get(text);
    if (found !== undefined) return found;
    this.#indexes.set(text, this.#references.length);
    return this.#references.push(digest) - 1;
  }
}

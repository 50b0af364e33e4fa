import { NodeKind } from "../chunk/node.ts";
import { rowChecksum } from "../log/checksum.ts";
import { ByteWriter } from "./bytes.ts";
import type { Stamp, TreeEntry } from "./entry.ts";
import { keyOf } from "./entry.ts";
import type { RootPiece } from "./format.ts";
import {
  latin1,
  PIECE_BYTES_MAX,
  PIECE_ENTRIES_MAX,
  writeEntry,
  writeHead,
  writeKey,
  writeRoot,
} from "./format.ts";
import type { PutNode } from "./node.ts";
import { encodeStamps, encodeStampsRoot } from "./stamps.ts";

/** A piece ends behind one key of 256, and so at the same places whatever else the tree has. */
const CUT_MASK = 0xff;

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

/** Takes entries in the order of their keys, and gives nodes to be kept as they are full. */
export class ManifestWriter {
  readonly #put: PutNode;
  readonly #pieces: RootPiece[] = [];
  readonly #stampPieces: Uint8Array[] = [];
  #entries = new ByteWriter();
  #references: Uint8Array[] = [];
  #indexes = new Map<string, number>();
  #stamps: (Stamp | undefined)[] = [];
  #entryCount = 0;
  #first = "";
  #previous: Buffer = Buffer.alloc(0);
  #total = { entryCount: 0, size: 0 };

  constructor(put: PutNode) {
    this.#put = put;
  }

  /** @param stamp of a file that need not be read next time if it still has this */
  add(entry: TreeEntry, stamp?: Stamp): void {
    const text = keyOf(entry);
    const key = Buffer.from(text);
    if (this.#entryCount === 0) this.#first = text;
    writeKey(this.#entries, key, this.#previous);
    writeEntry(this.#entries, entry, (digest) => this.#indexOf(digest));
    if (entry.kind === "file") {
      this.#stamps.push(stamp);
      this.#total.size += entry.size;
    }
    this.#previous = key;
    this.#entryCount++;
    const isFull = this.#entryCount === PIECE_ENTRIES_MAX || this.#entries.length >= PIECE_BYTES_MAX;
    if (isFull || (rowChecksum(key) & CUT_MASK) === 0) this.#endPiece();
  }

  /** Whether the next entry begins a piece. */
  get isBetweenPieces(): boolean {
    return this.#entryCount === 0;
  }

  /** Between pieces: one that was written before, of another tree that has it too. @param size bytes of its files */
  addPiece(piece: RootPiece, stamps: Uint8Array, size: number): void {
    this.#pieces.push(piece);
    this.#stampPieces.push(stamps);
    this.#total.entryCount += piece.entryCount;
    this.#total.size += size;
  }

  finish(): WrittenTree {
    if (this.#entryCount > 0) this.#endPiece();
    const writer = new ByteWriter();
    writeRoot(writer, this.#total, this.#pieces);
    const references = this.#pieces.map(({ digest }) => digest);
    const root = this.#put({ references, content: writer.taken() });
    const stamps = this.#put(encodeStampsRoot(this.#stampPieces));
    return { root, stamps, ...this.#total };
  }

  #indexOf(digest: Uint8Array): number {
    const text = latin1(digest);
    const found = this.#indexes.get(text);
    if (found !== undefined) return found;
    this.#indexes.set(text, this.#references.length);
    return this.#references.push(digest) - 1;
  }

  #endPiece(): void {
    const head = new ByteWriter();
    writeHead(head, NodeKind.directoryPiece);
    head.number(this.#entryCount);
    const content = Buffer.concat([head.taken(), this.#entries.taken()]);
    const digest = this.#put({ references: this.#references, content });
    this.#pieces.push({ digest, entryCount: this.#entryCount, first: this.#first });
    this.#stampPieces.push(this.#put(encodeStamps(this.#stamps)));
    this.#total.entryCount += this.#entryCount;
    this.#entries = new ByteWriter();
    this.#references = [];
    this.#indexes = new Map();
    this.#stamps = [];
    this.#entryCount = 0;
    this.#previous = Buffer.alloc(0);
  }
}

import { damaged } from "./bytes.ts";
import type { TreeEntry } from "./entry.ts";
import { compareBytes, keyOf } from "./entry.ts";
import type { ManifestRoot } from "./format.ts";
import { decodePiece, decodeRoot } from "./format.ts";
import type { LoadNode, ManifestNode } from "./node.ts";

/** A saved tree's entries, read a piece at a time. Whatever the nodes say, the order of all entries is right, or CORRUPTION. */
export class Manifest {
  readonly root: ManifestRoot;
  readonly #load: LoadNode;
  /** Who reads one file often reads the next. */
  #newest: { index: number; entries: TreeEntry[] } | undefined;

  constructor(root: ManifestNode, load: LoadNode) {
    this.root = decodeRoot(root);
    this.#load = load;
  }

  async piece(index: number): Promise<TreeEntry[]> {
    if (this.#newest?.index === index) return this.#newest.entries;
    const entries = this.entriesOf(index, await this.node(index));
    this.#newest = { index, entries };
    return entries;
  }

  async node(index: number): Promise<ManifestNode> {
    return this.#load(this.root.pieces[index]!.digest);
  }

  entriesOf(index: number, node: ManifestNode): TreeEntry[] {
    const { entryCount, first } = this.root.pieces[index]!;
    const entries = decodePiece(node);
    const behind = this.root.pieces[index + 1]?.first;
    const isInOrder = behind === undefined || compareBytes(keyOf(entries.at(-1)!), behind) < 0;
    if (entries.length !== entryCount || keyOf(entries[0]!) !== first || !isInOrder)
      throw damaged("a piece is not the one that its root means");
    return entries;
  }

  /** Piece by piece, from the first whose key is `key` or later. */
  async *entriesFrom(key = ""): AsyncGenerator<TreeEntry[]> {
    for (let i = this.#pieceOf(key); i < this.root.pieces.length; i++) {
      const entries = await this.piece(i);
      yield compareBytes(keyOf(entries[0]!), key) >= 0
        ? entries
        : entries.filter((entry) => compareBytes(keyOf(entry), key) >= 0);
    }
  }

  async find(key: string): Promise<TreeEntry | undefined> {
    const index = this.#pieceOf(key);
    if (index === this.root.pieces.length) return undefined;
    return (await this.piece(index)).find((entry) => keyOf(entry) === key);
  }

  /** The last one that begins at or before a key; the first where all begin behind it. */
  #pieceOf(key: string): number {
    let low = 0;
    let high = this.root.pieces.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareBytes(this.root.pieces[middle]!.first, key) <= 0) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }
}

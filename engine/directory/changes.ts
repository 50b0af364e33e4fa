import { isCorruption, VarveError } from "../errors.ts";
import type { FileContent, FileEntry, Stamp, TreeEntry } from "./entry.ts";
import { compareBytes } from "./entry.ts";
import type { RootPiece } from "./format.ts";
import { Manifest } from "./manifest.ts";
import type { LoadNode, ManifestNode } from "./node.ts";
import type { Found, FoundFile } from "./scan.ts";
import { decodeStamps, decodeStampsRoot, isSameStamp } from "./stamps.ts";

/** The tree that was saved last, walked in step with a scan, to tell which files need not be read. */
export class EarlierTree {
  readonly #manifest: Manifest;
  readonly #load: LoadNode;
  readonly #stampPieces: readonly Uint8Array[];
  #index = -1;
  #piece: EarlierPiece | undefined;

  /** @throws CORRUPTION */
  constructor(root: ManifestNode, stamps: ManifestNode, load: LoadNode) {
    this.#manifest = new Manifest(root, load);
    this.#load = load;
    this.#stampPieces = decodeStampsRoot(stamps, this.#manifest.root.pieces.length);
  }

  get entryCount(): number {
    return this.#manifest.root.entryCount;
  }

  /**
   * The contents of a file that is as it was, by size, times and inode. Paths are asked for in the order of their bytes.
   * What is damaged or gone of the earlier tree is not known of: then the files are read, and stored again. A promise
   * only where another piece begins.
   */
  find(found: FoundFile): FileContent | undefined | Promise<FileContent | undefined> {
    return this.#leadsTo(found.path)
      ? this.#open().then(() => this.#piece?.find(found))
      : this.#piece?.find(found);
  }

  /** The piece whose first key this is. Keys are asked for as paths are in `find`. */
  beginningWith(key: string): EarlierPiece | undefined | Promise<EarlierPiece | undefined> {
    const asked = () => (this.#piece?.first === key ? this.#piece : undefined);
    return this.#leadsTo(key) ? this.#open().then(asked) : asked();
  }

  /** Whether the piece that a path would be in is another one than before. */
  #leadsTo(path: string): boolean {
    const { pieces } = this.#manifest.root;
    const before = this.#index;
    while (this.#index + 1 < pieces.length && compareBytes(pieces[this.#index + 1]!.first, path) <= 0)
      this.#index++;
    return this.#index !== before;
  }

  async #open(): Promise<void> {
    this.#piece = undefined;
    const { pieces } = this.#manifest.root;
    const stampsDigest = this.#stampPieces[this.#index]!;
    try {
      const entries = await this.#manifest.piece(this.#index);
      const files = entries.reduce((count, { kind }) => count + (kind === "file" ? 1 : 0), 0);
      const stamps = decodeStamps(await this.#load(stampsDigest), files);
      const isLast = this.#index === pieces.length - 1;
      this.#piece = new EarlierPiece(pieces[this.#index]!, stampsDigest, entries, stamps, isLast);
    } catch (error) {
      if (!isCorruption(error) && !isNotFound(error)) throw error;
    }
  }
}

/** A piece of the earlier manifest, with the stamps of its files. */
export class EarlierPiece implements RootPiece {
  readonly digest: Uint8Array;
  readonly first: string;
  readonly stampsDigest: Uint8Array;
  readonly entries: readonly TreeEntry[];
  /** It ends because the tree did. */
  readonly isLast: boolean;
  /** Of each entry; none of what is no file. */
  readonly #stamps: (Stamp | undefined)[];
  /** Made when a file of it is looked for: mostly none is. */
  #indexes: Map<string, number> | undefined;

  constructor(
    { digest, first }: RootPiece,
    stampsDigest: Uint8Array,
    entries: readonly TreeEntry[],
    stamps: readonly (Stamp | undefined)[],
    isLast: boolean,
  ) {
    this.digest = digest;
    this.first = first;
    this.stampsDigest = stampsDigest;
    this.entries = entries;
    this.isLast = isLast;
    let files = 0;
    this.#stamps = entries.map(({ kind }) => (kind === "file" ? stamps[files++] : undefined));
  }

  get entryCount(): number {
    return this.entries.length;
  }

  /** Bytes of all files. */
  get size(): number {
    return this.entries.reduce((sum, entry) => sum + (entry.kind === "file" ? entry.size : 0), 0);
  }

  /** Whether an entry is in all that the manifest says of it as it was found now. */
  isSame(index: number, found: Found): boolean {
    const entry = this.entries[index]!;
    if (entry.path !== found.path) return false;
    if (entry.kind === "link") return found.kind === "link" && entry.target === found.target;
    if (entry.kind !== "file" || found.kind !== "file") return entry.kind === found.kind;
    return entry.executable === found.executable && this.#isUnchanged(entry, index, found);
  }

  find(found: FoundFile): FileContent | undefined {
    this.#indexes ??= new Map(this.entries.map(({ path }, i) => [path, i]));
    const index = this.#indexes.get(found.path) ?? -1;
    const entry = this.entries[index];
    return entry?.kind === "file" && this.#isUnchanged(entry, index, found) ? entry : undefined;
  }

  #isUnchanged(entry: FileEntry, index: number, { size, stamp }: FoundFile): boolean {
    const known = this.#stamps[index];
    return known !== undefined && entry.size === size && isSameStamp(known, stamp);
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof VarveError && error.code === "NOT_FOUND";
}

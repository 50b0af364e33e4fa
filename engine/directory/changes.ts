import { isCorruption, VarveError } from "../errors.ts";
import type { FileContent, FileEntry, TreeEntry } from "./entry.ts";
import { compareBytes, keyOf } from "./entry.ts";
import type { RootPiece } from "./format.ts";
import { PieceReader } from "./format.ts";
import { Manifest } from "./manifest.ts";
import type { PutPiece } from "./manifest-writer.ts";
import type { LoadNode, ManifestNode } from "./node.ts";
import type { Found, FoundFile } from "./scan.ts";
import { decodeStampsRoot, Stamps } from "./stamps.ts";

/** The tree that was saved last, walked in step with a scan, to tell which files need not be read. */
export class EarlierTree {
  readonly #manifest: Manifest;
  readonly #load: LoadNode;
  readonly #stampPieces: readonly Uint8Array[];
  /** By the first key of each piece. */
  #indexes: Map<string, number> | undefined;
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

  /** Whether a piece that was put is one of these, with all files as they were. */
  hasPiece({ digest, first, stampsDigest }: PutPiece): boolean {
    const { pieces } = this.#manifest.root;
    this.#indexes ??= new Map(pieces.map((piece, index) => [piece.first, index]));
    const index = this.#indexes.get(first);
    if (index === undefined || Buffer.compare(pieces[index]!.digest, digest) !== 0) return false;
    return Buffer.compare(this.#stampPieces[index]!, stampsDigest) === 0;
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
    const index = this.#index;
    const { pieces } = this.#manifest.root;
    const stampsDigest = this.#stampPieces[index]!;
    try {
      const node = await this.#manifest.node(index);
      const stamps = new Stamps(await this.#load(stampsDigest));
      const decode = () => this.#manifest.entriesOf(index, node);
      const isLast = index === pieces.length - 1;
      this.#piece = new EarlierPiece(pieces[index]!, { node, decode, stamps, stampsDigest, isLast });
    } catch (error) {
      if (!isCorruption(error) && !isNotFound(error)) throw error;
    }
  }
}

interface PieceParts {
  node: ManifestNode;
  /** @throws CORRUPTION */
  decode(): readonly TreeEntry[];
  stamps: Stamps;
  stampsDigest: Uint8Array;
  isLast: boolean;
}

/** A piece of the earlier manifest, with the stamps of its files. */
export class EarlierPiece implements PutPiece {
  readonly digest: Uint8Array;
  readonly first: string;
  readonly entryCount: number;
  readonly stampsDigest: Uint8Array;
  /** It ends because the tree did. */
  readonly isLast: boolean;
  readonly #node: ManifestNode;
  readonly #decode: () => readonly TreeEntry[];
  readonly #stamps: Stamps;
  /** Of what was compared. */
  readonly #reader: PieceReader;
  #compared = 0;
  #filesCompared = 0;
  #sizeCompared = 0;
  /** Made when a file of it is looked for: mostly none is. */
  #entries: readonly TreeEntry[] | undefined;
  #files: Map<string, { entry: FileEntry; file: number }> | undefined;

  /** @throws CORRUPTION */
  constructor({ digest, first, entryCount }: RootPiece, parts: PieceParts) {
    this.digest = digest;
    this.first = first;
    this.entryCount = entryCount;
    this.stampsDigest = parts.stampsDigest;
    this.isLast = parts.isLast;
    this.#node = parts.node;
    this.#decode = parts.decode;
    this.#stamps = parts.stamps;
    this.#reader = new PieceReader(parts.node);
  }

  /** None where they can't be told. */
  get entries(): readonly TreeEntry[] {
    this.#entries ??= unlessDamaged<readonly TreeEntry[]>([], this.#decode);
    return this.#entries;
  }

  get hasFiles(): boolean {
    return this.#node.references.length > 0;
  }

  /** Bytes of all files, once it is whole. */
  get size(): number {
    return this.#sizeCompared;
  }

  /** Whether the next entry, from the first on, is in all that the manifest says of it as it was found now. */
  isNext(found: Found): boolean {
    return unlessDamaged(false, () => {
      if (!this.#reader.next() || !this.#isSame(this.#reader, found)) return false;
      this.#compared++;
      return true;
    });
  }

  /** Whether all entries were found to be so, and nothing else is in it. */
  get isWhole(): boolean {
    const isAll = this.#compared === this.entryCount && this.#filesCompared === this.#stamps.count;
    return isAll && unlessDamaged(false, () => !this.#reader.next());
  }

  #isSame(entry: PieceReader, found: Found): boolean {
    if (entry.key !== keyOf(found)) return false;
    if (found.kind === "link") return entry.isLink && entry.target === found.target;
    if (found.kind === "directory") return !entry.isLink && !entry.isFile;
    if (!entry.isFile || entry.isExecutable !== found.executable) return false;
    this.#sizeCompared += entry.size;
    return this.#isUnchanged(entry.size, this.#filesCompared++, found);
  }

  find(found: FoundFile): FileContent | undefined {
    this.#files ??= this.#filesByPath();
    const known = this.#files.get(found.path);
    return known && this.#isUnchanged(known.entry.size, known.file, found) ? known.entry : undefined;
  }

  #filesByPath(): Map<string, { entry: FileEntry; file: number }> {
    const files = this.entries.filter((entry) => entry.kind === "file");
    if (files.length !== this.#stamps.count) return new Map();
    return new Map(files.map((entry, file) => [entry.path, { entry, file }]));
  }

  /** @param file its number among the files of the piece */
  #isUnchanged(sizeBefore: number, file: number, { size, stamp }: FoundFile): boolean {
    return size === sizeBefore && this.#stamps.isSame(file, stamp);
  }
}

function unlessDamaged<T>(otherwise: T, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (isCorruption(error)) return otherwise;
    throw error;
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof VarveError && error.code === "NOT_FOUND";
}

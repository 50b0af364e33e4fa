import { isCorruption, VarveError } from "../errors.ts";
import type { FileContent, FileEntry, Stamp } from "./entry.ts";
import { compareBytes } from "./entry.ts";
import { Manifest } from "./manifest.ts";
import type { LoadNode, ManifestNode } from "./node.ts";
import type { FoundFile } from "./scan.ts";
import { decodeStamps, decodeStampsRoot, isSameStamp } from "./stamps.ts";

/** What is known of an earlier file. */
interface Known {
  entry: FileEntry;
  stamp: Stamp;
}

/** The tree that was saved last, walked in step with a scan, to tell which files need not be read. */
export class EarlierTree {
  readonly #manifest: Manifest;
  readonly #load: LoadNode;
  readonly #stampPieces: readonly Uint8Array[];
  #index = -1;
  #known = new Map<string, Known>();

  /** @throws CORRUPTION */
  constructor(root: ManifestNode, stamps: ManifestNode, load: LoadNode) {
    this.#manifest = new Manifest(root, load);
    this.#load = load;
    this.#stampPieces = decodeStampsRoot(stamps, this.#manifest.root.pieces.length);
  }

  /**
   * The contents of a file that is as it was, by size, times and inode. Paths are asked for in the order of their bytes.
   * What is damaged or gone of the earlier tree is not known of: then the files are read, and stored again. A promise
   * only where another piece begins.
   */
  find(found: FoundFile): FileContent | undefined | Promise<FileContent | undefined> {
    return this.#leadsTo(found.path) ? this.#open().then(() => this.#lookUp(found)) : this.#lookUp(found);
  }

  #lookUp({ path, size, stamp }: FoundFile): FileContent | undefined {
    const known = this.#known.get(path);
    return known?.entry.size === size && isSameStamp(known.stamp, stamp) ? known.entry : undefined;
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
    this.#known = new Map();
    try {
      const entries = await this.#manifest.piece(this.#index);
      const files = entries.filter((entry): entry is FileEntry => entry.kind === "file");
      const stamps = decodeStamps(await this.#load(this.#stampPieces[this.#index]!), files.length);
      for (const [i, entry] of files.entries()) {
        const stamp = stamps[i];
        if (stamp) this.#known.set(entry.path, { entry, stamp });
      }
    } catch (error) {
      if (!isCorruption(error) && !isNotFound(error)) throw error;
    }
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof VarveError && error.code === "NOT_FOUND";
}

import type { EarlierPiece } from "./changes.ts";
import type { FileContent } from "./entry.ts";
import type { PutNode } from "./node.ts";

/** What the contents of a file were put away as. */
export type StoredContent = Pick<FileContent, "digest" | "root">;

/** Where contents and manifest go. What it was given before a failure is the caller's to drop. */
export interface TreeSink {
  /** Keeps a small file, of at most one MiB, and gives its SHA-256, which may be known. The bytes are the sink's own. */
  putFile(bytes: Uint8Array, digest?: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /** Takes a file to its end, or fails. */
  putLarge(pieces: AsyncIterable<Uint8Array>): Promise<StoredContent>;
  putNode: PutNode;
  /** Whether the contents of a file that did not change are still kept, and will be; by default they are. */
  isKept?(file: FileContent): boolean;
  /** The same of a piece of the earlier manifest, with its stamps and all contents; by default it is if those are. */
  isPieceKept?(piece: EarlierPiece): boolean;
}

import type { ByteRange, CallOptions } from "../api.ts";
import type { FileContent } from "./entry.ts";

/**
 * Where the bytes of a tree's files come from. They are those of the digest, or CORRUPTION; a range that is none is
 * INVALID_ARGUMENT.
 */
export interface DirectoryContents {
  /**
   * All bytes of a file, or a range of them; NOT_SUPPORTED where those are too many for memory. At once where it can be: a
   * promise each would cost more than the reading.
   */
  bytes(file: FileContent, range?: ByteRange, options?: CallOptions): Uint8Array | Promise<Uint8Array>;
  /** The bytes, or a range of them, in pieces of at most a few MiB. */
  stream(file: FileContent, range?: ByteRange, options?: CallOptions): AsyncIterable<Uint8Array>;
}

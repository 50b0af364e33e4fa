import type { FileEntry } from "./entry.ts";
import { LARGE_BYTES_MIN, openLarge, readSmall } from "./read-file.ts";
import type { FoundFile } from "./scan.ts";
import type { StoredContent, TreeSink } from "./sink.ts";

export interface StoredFile {
  /** As it was when it was read. */
  file: FoundFile;
  content: StoredContent;
}

export function entryOf({ file, content }: StoredFile): FileEntry {
  const { path, size, executable } = file;
  const { digest, root } = content;
  return { kind: "file", path, size, executable, digest, ...(root && { root }) };
}

/** Reads files to where contents go. */
export class FileReader {
  readonly #root: string;
  readonly #sink: TreeSink;
  readonly #signal: AbortSignal | undefined;
  filesRead = 0;
  bytesRead = 0;

  constructor(root: string, sink: TreeSink, signal: AbortSignal | undefined) {
    this.#root = root;
    this.#sink = sink;
    this.#signal = signal;
  }

  /** A promise only where something is waited for. */
  read(found: FoundFile): StoredFile | Promise<StoredFile> {
    const full = `${this.#root}/${found.path}`;
    if (found.size >= LARGE_BYTES_MIN) return this.#putLarge(full, found);
    const { file, bytes } = readSmall(full, found);
    const put = this.put(bytes);
    const stored = (digest: Uint8Array) => ({ file, content: { digest } });
    return put instanceof Promise ? put.then(stored) : stored(put);
  }

  /** Of a small file that was read already. */
  put(bytes: Uint8Array, digest?: Uint8Array): Uint8Array | Promise<Uint8Array> {
    this.#count(bytes.length);
    return this.#sink.putFile(bytes, digest);
  }

  async #putLarge(full: string, found: FoundFile): Promise<StoredFile> {
    this.#count(found.size);
    const { file, pieces } = openLarge(full, found, this.#signal);
    return { file, content: await this.#sink.putLarge(pieces) };
  }

  #count(bytes: number): void {
    this.filesRead++;
    this.bytesRead += bytes;
  }
}

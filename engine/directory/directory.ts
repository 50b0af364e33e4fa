import type { ByteRange, CallOptions, Directory, DirectoryEntry } from "../api.ts";
import { digestText } from "../blob/digest.ts";
import { throwIfAborted, VarveError } from "../errors.ts";
import type { DirectoryContents } from "./contents.ts";
import type { FileEntry, TreeEntry } from "./entry.ts";
import { isSoundPath, keyOf, quoted } from "./entry.ts";
import type { Manifest } from "./manifest.ts";
import { restoreTree } from "./restore.ts";

/** A saved tree, over its manifest and where the contents of its files come from. */
export class StoredDirectory implements Directory {
  readonly entryCount: number;
  readonly size: number;
  readonly #manifest: Manifest;
  readonly #contents: DirectoryContents;

  constructor(manifest: Manifest, contents: DirectoryContents) {
    this.entryCount = manifest.root.entryCount;
    this.size = manifest.root.size;
    this.#manifest = manifest;
    this.#contents = contents;
  }

  async *list(path?: string, options: CallOptions = {}): AsyncGenerator<DirectoryEntry> {
    if (path === undefined) return yield* this.#below("", options);
    const within = checkedPath(path);
    const found = await this.#find(within);
    if (found) yield described(found);
    let isEmpty = !found;
    for await (const entry of this.#below(`${within}/`, options)) {
      // An empty folder's own key is the first of those below it.
      if (entry.path !== within) yield entry;
      isEmpty = false;
    }
    if (isEmpty) throw notThere(within);
  }

  async read(path: string, range?: ByteRange, options: CallOptions = {}): Promise<Uint8Array> {
    const entry = await this.#file(path);
    throwIfAborted(options.signal);
    return this.#contents.bytes(entry, range, options);
  }

  stream(path: string, range?: ByteRange, options: CallOptions = {}): ReadableStream<Uint8Array> {
    return ReadableStream.from(this.#pieces(path, range, options));
  }

  writeTo(target: string, options: CallOptions = {}): Promise<void> {
    const { signal, onProgress } = options;
    return restoreTree(target, this.#manifest, this.#contents, { signal, onProgress });
  }

  async *#pieces(
    path: string,
    range: ByteRange | undefined,
    options: CallOptions,
  ): AsyncGenerator<Uint8Array> {
    yield* this.#contents.stream(await this.#file(path), range, options);
  }

  async #file(path: string): Promise<FileEntry> {
    const sound = checkedPath(path);
    const found = await this.#find(sound);
    if (found?.kind === "file") return found;
    if (found?.kind === "link") {
      throw new VarveError("INVALID_ARGUMENT", `${quoted(path)} is a link to ${quoted(found.target)}`, {
        hint: "read what it leads to",
      });
    }
    const below = found ?? (await this.#below(`${sound}/`, {}).next()).value;
    if (!below) throw notThere(path);
    throw new VarveError("INVALID_ARGUMENT", `${quoted(path)} is a folder`, {
      hint: "`list` says what is in it",
    });
  }

  /** A file or link, or a folder that is empty. */
  async #find(path: string): Promise<TreeEntry | undefined> {
    return (await this.#manifest.find(path)) ?? (await this.#manifest.find(`${path}/`));
  }

  async *#below(prefix: string, { signal }: CallOptions): AsyncGenerator<DirectoryEntry> {
    for await (const entries of this.#manifest.entriesFrom(prefix)) {
      throwIfAborted(signal);
      for (const entry of entries) {
        if (!keyOf(entry).startsWith(prefix)) return;
        yield described(entry);
      }
    }
  }
}

function described(entry: TreeEntry): DirectoryEntry {
  const { kind, path } = entry;
  if (kind === "file") {
    const { size, executable, digest } = entry;
    return { path, kind, size, executable, digest: digestText(digest) };
  }
  const plain = { path, kind, size: 0, executable: false };
  return kind === "link" ? { ...plain, target: entry.target } : plain;
}

function checkedPath(path: unknown): string {
  const bare = typeof path === "string" && path.endsWith("/") ? path.slice(0, -1) : path;
  if (typeof bare === "string" && isSoundPath(bare)) return bare;
  throw new VarveError(
    "INVALID_ARGUMENT",
    `not a path within a directory: ${quoted(String(path).slice(0, 200))}`,
    {
      hint: "for example `data/train.csv`: no `..`, and no slash at the beginning",
    },
  );
}

function notThere(path: string): VarveError {
  return new VarveError("NOT_FOUND", `${quoted(path)} is not in the directory`, {
    hint: "`list` says what is there",
    details: { path },
  });
}

import {
  closeSync,
  constants,
  fdatasync,
  mkdirSync,
  openSync,
  readdirSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { fromSystemError, throwIfAborted, VarveError } from "../errors.ts";
import { damaged } from "./bytes.ts";
import type { DirectoryContents } from "./contents.ts";
import type { FileEntry, FolderEntry, LinkEntry } from "./entry.ts";
import { quoted } from "./entry.ts";
import { foldedName, foldsNames, isForeign } from "./file-system.ts";
import { LinkJudge } from "./links.ts";
import { LARGE_BYTES_MIN } from "./read-file.ts";

/** Small files are written and synced in groups: the disk takes many at once for the price of a few. */
const GROUP_FILES_MAX = 64;
const GROUP_BYTES_MAX = 8 * 1024 * 1024;
const SYNCS_AT_ONCE = 16;
/** What is there already, or a link to elsewhere, is never written to. */
const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);
const ZEROS = Buffer.alloc(64 * 1024);
const syncAsync = promisify(fdatasync);

/** Fills a new folder that nobody else can reach. What it may not make, or can't, is an error. */
export class TreeWriter {
  readonly #root: string;
  readonly #contents: DirectoryContents;
  readonly #signal: AbortSignal | undefined;
  readonly #folds: boolean;
  readonly #folders = new Set<string>(["."]);
  readonly #links: LinkEntry[] = [];
  #group: FileEntry[] = [];
  #groupBytes = 0;

  constructor(root: string, contents: DirectoryContents, signal?: AbortSignal) {
    this.#root = root;
    this.#contents = contents;
    this.#signal = signal;
    this.#folds = foldsNames(root);
  }

  /** A promise only when there is something to wait for. */
  addFile(entry: FileEntry): Promise<void> | undefined {
    checkForeign(entry.path, entry.path);
    if (entry.size >= LARGE_BYTES_MIN) return this.#writeLarge(entry);
    this.#group.push(entry);
    this.#groupBytes += entry.size;
    const isFull = this.#group.length === GROUP_FILES_MAX || this.#groupBytes >= GROUP_BYTES_MAX;
    return isFull ? this.#writeGroup() : undefined;
  }

  addFolder({ path }: FolderEntry): undefined {
    checkForeign(path, path);
    this.#makeFolder(path);
  }

  /** Made at the end, so that nothing can be written through it. */
  addLink(entry: LinkEntry): undefined {
    checkForeign(entry.path, entry.path);
    checkForeign(entry.target, entry.path);
    this.#links.push(entry);
  }

  /** Makes what is left to be made, and sees that all is on the disk. */
  async finish(): Promise<void> {
    await this.#writeGroup();
    this.#makeLinks();
    await syncFolders(Array.from(this.#folders, (path) => join(this.#root, path)));
  }

  async #writeGroup(): Promise<void> {
    const group = this.#group;
    this.#group = [];
    this.#groupBytes = 0;
    throwIfAborted(this.#signal);
    const contents = await Promise.all(group.map(async (file) => this.#contents.bytes(file)));
    const descriptors: number[] = [];
    try {
      for (const [i, entry] of group.entries()) {
        if (contents[i]!.length !== entry.size) throw wrongSize(entry);
        const descriptor = this.#create(entry);
        descriptors.push(descriptor);
        writeAll(descriptor, contents[i]!);
      }
      // All of them: none may be closed while it is synced.
      const synced = await Promise.allSettled(descriptors.map((descriptor) => syncAsync(descriptor)));
      for (const one of synced) if (one.status === "rejected") throw one.reason;
    } finally {
      for (const descriptor of descriptors) closeSync(descriptor);
    }
  }

  #create(entry: FileEntry): number {
    this.#makeFolder(dirname(entry.path));
    try {
      return openSync(join(this.#root, entry.path), FLAGS, modeOf(entry));
    } catch (error) {
      throw this.#refused(entry.path, error);
    }
  }

  async #writeLarge(entry: FileEntry): Promise<void> {
    const full = join(this.#root, entry.path);
    this.#makeFolder(dirname(entry.path));
    const file = await open(full, FLAGS, modeOf(entry)).catch((error: unknown) => {
      throw this.#refused(entry.path, error);
    });
    try {
      await this.#writePieces(file, entry);
      await file.datasync();
    } finally {
      await file.close();
    }
  }

  async #writePieces(file: FileHandle, entry: FileEntry): Promise<void> {
    let at = 0;
    for await (const piece of this.#contents.stream(entry, undefined, this.#callOptions())) {
      throwIfAborted(this.#signal);
      if (at + piece.length > entry.size) throw wrongSize(entry);
      // Where nothing is written the file is sparse, and reads as zeros.
      if (!isZero(piece)) await writeAllAsync(file, piece, at);
      at += piece.length;
    }
    if (at !== entry.size) throw wrongSize(entry);
    await file.truncate(entry.size);
  }

  /** With those above it that are not there yet. */
  #makeFolder(path: string): void {
    const missing: string[] = [];
    for (let above = path; !this.#folders.has(above); above = dirname(above)) missing.push(above);
    for (const folder of missing.reverse()) {
      try {
        mkdirSync(join(this.#root, folder));
      } catch (error) {
        throw this.#refused(folder, error);
      }
      this.#folders.add(folder);
    }
  }

  #makeLinks(): void {
    const judge = new LinkJudge(this.#folds ? foldedName : undefined);
    for (const { path, target } of this.#links) judge.add(path, target);
    const outward = judge.firstLeadingOut();
    if (outward) throw damaged(`the link ${quoted(outward.path)} leads out of the directory or in a circle`);
    for (const { path, target } of this.#links) {
      this.#makeFolder(dirname(path));
      try {
        symlinkSync(target, join(this.#root, path));
      } catch (error) {
        throw this.#refused(path, error);
      }
    }
  }

  /** Why a new name can't be made, where all names are different and nobody else makes any. */
  #refused(path: string, error: unknown): VarveError {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENAMETOOLONG") {
      return new VarveError("NOT_SUPPORTED", `a path is too long to be made here: ${quoted(path)}`, {
        hint: "restore to a folder with a shorter path",
        details: { path },
        cause: error,
      });
    }
    if (code !== "EEXIST") return fromSystemError(error, `writing ${quoted(path)}`);
    return sameName(path, this.#twinOf(path), error);
  }

  #twinOf(path: string): string | undefined {
    const own = basename(path);
    const names = readdirSync(join(this.#root, dirname(path)));
    const name = names.find((each) => each !== own && foldedName(each) === foldedName(own));
    return name === undefined ? undefined : join(dirname(path), name);
  }

  #callOptions(): { signal?: AbortSignal } {
    return this.#signal ? { signal: this.#signal } : {};
  }
}

/** As far as the system lets folders be synced. */
export async function syncFolders(paths: readonly string[]): Promise<void> {
  if (process.platform === "win32") return;
  for (let i = 0; i < paths.length; i += SYNCS_AT_ONCE)
    await Promise.all(paths.slice(i, i + SYNCS_AT_ONCE).map(syncFolder));
}

async function syncFolder(path: string): Promise<void> {
  let folder: FileHandle;
  try {
    folder = await open(path, "r");
  } catch (error) {
    // A folder that others keep may be ours to write to, and not to read.
    if ((error as NodeJS.ErrnoException).code === "EACCES") return;
    throw error;
  }
  await folder.sync().finally(() => folder.close());
}

/** The system takes away what the process does not let new files have. */
function modeOf({ executable }: FileEntry): number {
  return executable ? 0o777 : 0o666;
}

function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at, bytes.length - at, at);
}

async function writeAllAsync(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; )
    at += (await file.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
}

function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const part = bytes.subarray(at, at + ZEROS.length);
    if (part[0] !== 0 || Buffer.compare(part, ZEROS.subarray(0, part.length)) !== 0) return false;
  }
  return true;
}

function wrongSize({ path }: FileEntry): VarveError {
  return damaged(`${quoted(path)} does not have the size that it says`);
}

function sameName(path: string, twin: string | undefined, cause: unknown): VarveError {
  const other = twin === undefined ? "another name of the directory" : quoted(twin);
  return new VarveError("NOT_SUPPORTED", `the file system can't tell ${quoted(path)} from ${other}`, {
    hint: "restore to a file system that tells upper from lower case, or read the files one by one",
    details: { path, ...(twin !== undefined && { twin }) },
    cause,
  });
}

function checkForeign(name: string, path: string): void {
  if (!isForeign(name, process.platform)) return;
  throw new VarveError("NOT_SUPPORTED", `${quoted(path)} can't be made on this system`, {
    hint: "restore elsewhere, or read the files one by one",
    details: { path },
  });
}

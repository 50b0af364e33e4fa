import type { FileSystem, LogFile } from "../../engine/log/file.ts";
import { nodeFileSystem } from "../../engine/log/file.ts";

export interface Counts {
  appends: number;
  appendedBytes: number;
  syncs: number;
  folderSyncs: number;
  reads: number;
  readBytes: number;
  opens: number;
}

/** The real disk, counted, and with calls that a test can delay, change or fail. */
export class WatchedFiles implements FileSystem {
  readonly counts: Counts = {
    appends: 0,
    appendedBytes: 0,
    syncs: 0,
    folderSyncs: 0,
    reads: 0,
    readBytes: 0,
    opens: 0,
  };
  /** Every call that matters for what is on the disk, in order: `append 0000000001.varve` and so on. */
  readonly calls: string[] = [];
  /** Before an append; `write` does it, and what is thrown fails the call. */
  onAppend:
    | ((pieces: readonly Uint8Array[], write: (pieces: readonly Uint8Array[]) => void) => void)
    | undefined;
  /** Before a sync resolves. */
  onSync: ((path: string) => void | Promise<void>) | undefined;
  /** Before a name is given; `publish` does it, and what is thrown fails the call. */
  onPublish: ((to: string, publish: () => void) => void) | undefined;
  onSyncFolder: ((path: string) => void) | undefined;
  /** Before a read; what is thrown fails it. */
  onRead: (() => void) | undefined;
  onOpen: ((path: string, mode: string) => void) | undefined;
  onType: (() => number) | undefined;
  onFreeBytes: (() => number) | undefined;

  open(path: string, mode: "read" | "append" | "create"): LogFile {
    this.onOpen?.(path, mode);
    this.counts.opens++;
    return new WatchedFile(nodeFileSystem.open(path, mode), path, this);
  }

  exists = nodeFileSystem.exists;
  sizeOf = nodeFileSystem.sizeOf;
  list = nodeFileSystem.list;
  makeFolder = nodeFileSystem.makeFolder;

  publish(from: string, to: string): void {
    this.calls.push(`publish ${nameOf(to)}`);
    const publish = () => nodeFileSystem.publish(from, to);
    if (this.onPublish) this.onPublish(to, publish);
    else publish();
  }

  link(from: string, to: string): void {
    this.calls.push(`link ${nameOf(from)}`);
    nodeFileSystem.link(from, to);
  }

  replace(from: string, to: string): void {
    this.calls.push(`replace ${nameOf(to)}`);
    nodeFileSystem.replace(from, to);
  }

  remove(path: string): void {
    this.calls.push(`remove ${nameOf(path)}`);
    nodeFileSystem.remove(path);
  }

  syncFolder(path: string): void {
    this.counts.folderSyncs++;
    this.calls.push(`syncFolder ${nameOf(path)}`);
    this.onSyncFolder?.(path);
    nodeFileSystem.syncFolder(path);
  }

  type(path: string): number {
    return this.onType?.() ?? nodeFileSystem.type(path);
  }

  freeBytes(path: string): number {
    return this.onFreeBytes?.() ?? nodeFileSystem.freeBytes(path);
  }
}

class WatchedFile implements LogFile {
  readonly #file: LogFile;
  readonly #path: string;
  readonly #files: WatchedFiles;

  constructor(file: LogFile, path: string, files: WatchedFiles) {
    this.#file = file;
    this.#path = path;
    this.#files = files;
  }

  read(into: Buffer, position: number, length?: number): number {
    this.#files.onRead?.();
    const got = this.#file.read(into, position, length);
    this.#files.counts.reads++;
    this.#files.counts.readBytes += got;
    return got;
  }

  async readAsync(into: readonly Buffer[], position: number): Promise<number> {
    this.#files.onRead?.();
    const got = await this.#file.readAsync(into, position);
    this.#files.counts.reads++;
    this.#files.counts.readBytes += got;
    return got;
  }

  append(pieces: readonly Uint8Array[]): void {
    const { counts, calls, onAppend } = this.#files;
    counts.appends++;
    calls.push(`append ${nameOf(this.#path)}`);
    const write = (some: readonly Uint8Array[]) => {
      for (const piece of some) counts.appendedBytes += piece.length;
      this.#file.append(some);
    };
    if (onAppend) onAppend(pieces, write);
    else write(pieces);
  }

  size(): number {
    return this.#file.size();
  }

  sync(): void {
    this.#files.counts.syncs++;
    this.#files.calls.push(`sync ${nameOf(this.#path)}`);
    const held = this.#files.onSync?.(this.#path);
    if (held instanceof Promise) held.catch(() => {});
    this.#file.sync();
  }

  async syncAsync(): Promise<void> {
    this.#files.counts.syncs++;
    await this.#files.onSync?.(this.#path);
    await this.#file.syncAsync();
    this.#files.calls.push(`sync ${nameOf(this.#path)}`);
  }

  close(): void {
    this.#file.close();
  }

  closeAsync(): Promise<void> {
    return this.#file.closeAsync();
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).replace(/^new-.*\.tmp$/, "new.tmp");
}

/** `readAsync` of a disk that has no more than `read`. */
export function readPieces(
  into: readonly Buffer[],
  position: number,
  read: (into: Buffer, position: number) => number,
): number {
  let done = 0;
  for (const piece of into) {
    const got = read(piece, position + done);
    done += got;
    if (got < piece.length) break;
  }
  return done;
}

/** The error of a system call. */
export function systemError(code: string, doing: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${doing}`), { code, syscall: doing });
}

/** A promise that a test resolves. */
export function gate(): { opened: Promise<void>; open(): void } {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

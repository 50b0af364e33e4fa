import {
  close,
  closeSync,
  constants,
  existsSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  readv,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
  writevSync,
} from "node:fs";

/**
 * The seam between the log and the disk: every file operation of the log goes through these two interfaces.
 * The real one is below; a test gives another that keeps what was written apart from what was synced, or fails.
 * All errors are those of the operating system.
 */
export interface LogFile {
  /** Fills `into`, or `length` bytes of it, from `position` and gives the bytes read: fewer only at the end of the file. */
  read(into: Buffer, position: number, length?: number): number;
  /** The same on another thread, into several, one after the other. */
  readAsync(into: readonly Buffer[], position: number): Promise<number>;
  /** Adds at the end of the file, wherever that is now, and gives the bytes written: all, or an error. */
  append(pieces: readonly Uint8Array[]): void;
  size(): number;
  /** The bytes written so far, by any process, are on the disk when it returns. */
  sync(): void;
  syncAsync(): Promise<void>;
  close(): void;
  /** On another thread: the last one who has a removed file open waits until what it took is free. */
  closeAsync(): Promise<void>;
}

export interface FileSystem {
  /** `create` fails when the name is taken. */
  open(path: string, mode: "read" | "append" | "create"): LogFile;
  exists(path: string): boolean;
  /** 0 when there is no such file. */
  sizeOf(path: string): number;
  list(folder: string): string[];
  makeFolder(path: string): void;
  /** Gives `from` the name `to`, which must be free; `from` is gone afterwards. */
  publish(from: string, to: string): void;
  /** Gives a file a second name, which must be free. */
  link(from: string, to: string): void;
  /** Gives `from` the name `to` in place of the file that has it: there is no moment without one. */
  replace(from: string, to: string): void;
  remove(path: string): void;
  /** Makes new and removed names of a folder durable. */
  syncFolder(path: string): void;
  /** The magic number of the file system's type, as statfs(2) gives it. */
  type(path: string): number;
  freeBytes(path: string): number;
}

const FLAGS = {
  read: constants.O_RDONLY,
  append: constants.O_WRONLY | constants.O_APPEND,
  create: constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_EXCL,
};

/** Systems take no more buffers in a call. */
const PIECES_AT_ONCE = 1024;

class NodeFile implements LogFile {
  readonly #fd: number;

  constructor(path: string, mode: "read" | "append" | "create") {
    this.#fd = openSync(path, FLAGS[mode], 0o600);
  }

  read(into: Buffer, position: number, length = into.length): number {
    let done = 0;
    while (done < length) {
      const got = readSync(this.#fd, into, done, length - done, position + done);
      if (got === 0) break;
      done += got;
    }
    return done;
  }

  async readAsync(into: readonly Buffer[], position: number): Promise<number> {
    let done = 0;
    for (let left = into; left.length > 0; ) {
      const got = await new Promise<number>((resolve, reject) => {
        const some = left.slice(0, PIECES_AT_ONCE);
        readv(this.#fd, some, position + done, (error, count) => (error ? reject(error) : resolve(count)));
      });
      if (got === 0) break;
      done += got;
      left = behind(left, got);
    }
    return done;
  }

  append(pieces: readonly Uint8Array[]): void {
    for (let from = 0; from < pieces.length; from += PIECES_AT_ONCE)
      this.#appendSome(pieces.slice(from, from + PIECES_AT_ONCE));
  }

  /** With one call, unless the system takes less than all. */
  #appendSome(pieces: readonly Uint8Array[]): void {
    let written = pieces.length === 1 ? 0 : writevSync(this.#fd, pieces);
    for (const piece of pieces) {
      let done = Math.min(written, piece.length);
      written -= done;
      while (done < piece.length) done += writeSync(this.#fd, piece, done, piece.length - done);
    }
  }

  size(): number {
    return fstatSync(this.#fd).size;
  }

  sync(): void {
    fdatasyncSync(this.#fd);
  }

  syncAsync(): Promise<void> {
    return new Promise((resolve, reject) =>
      fdatasync(this.#fd, (error) => (error ? reject(error) : resolve())),
    );
  }

  close(): void {
    closeSync(this.#fd);
  }

  closeAsync(): Promise<void> {
    return new Promise((resolve, reject) => close(this.#fd, (error) => (error ? reject(error) : resolve())));
  }
}

/** What of the pieces is still empty when so many bytes of them are filled. */
function behind(pieces: readonly Buffer[], filled: number): Buffer[] {
  const left: Buffer[] = [];
  for (const piece of pieces) {
    const done = Math.min(filled, piece.length);
    filled -= done;
    if (done < piece.length) left.push(piece.subarray(done));
  }
  return left;
}

/** The real disk. */
export const nodeFileSystem: FileSystem = {
  open: (path, mode) => new NodeFile(path, mode),
  exists: (path) => existsSync(path),
  sizeOf(path) {
    try {
      return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    } catch (error) {
      // A link to itself, or a file where a folder should be: there is no such file either.
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ELOOP" || code === "ENOTDIR") return 0;
      throw error;
    }
  },
  list: (folder) => readdirSync(folder),
  makeFolder: (path) => void mkdirSync(path, { recursive: true, mode: 0o700 }),
  publish(from, to) {
    // A rename would replace what another process has just put there; a link does not.
    linkSync(from, to);
    rmSync(from);
  },
  link: (from, to) => linkSync(from, to),
  replace: (from, to) => renameSync(from, to),
  remove: (path) => rmSync(path, { force: true }),
  syncFolder(path) {
    const fd = openSync(path, constants.O_RDONLY);
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  },
  type: (path) => statfsSync(path).type,
  freeBytes(path) {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  },
};

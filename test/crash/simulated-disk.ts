import { existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import type { FileSystem, LogFile } from "../../engine/log/file.ts";
import { systemError } from "../helpers/files.ts";

/** A write that no successful sync has covered yet. */
export interface UnsyncedWrite {
  from: number;
  to: number;
  /** A sync that covered it failed: no later sync says anything about it. */
  doubtful: boolean;
}

/** A file: what processes see of it, and what of that the disk may still lose. */
export class SimulatedFile {
  #bytes: Buffer = Buffer.alloc(256);
  size = 0;
  /** What a power cut can't make shorter. */
  durableSize = 0;
  unsynced: UnsyncedWrite[] = [];
  /** Syncs that failed so far: each descriptor that was open then is told once. */
  failures = 0;
  #copy: Buffer | undefined;

  /** @param bytes what it holds, and has held for long: not to be changed by the caller */
  constructor(bytes?: Buffer) {
    if (!bytes) return;
    this.#bytes = bytes;
    this.size = bytes.length;
    this.durableSize = bytes.length;
  }

  /** What every process reads now. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.size);
  }

  /** As `bytes`, but it stays what it is; the same one until the next write. */
  get copy(): Buffer {
    this.#copy ??= Buffer.from(this.bytes);
    return this.#copy;
  }

  /** Another file in the same state: what was not synced here is not synced there. */
  clone(): SimulatedFile {
    const clone = new SimulatedFile(Buffer.from(this.bytes));
    clone.durableSize = this.durableSize;
    clone.unsynced = this.unsynced.map((write) => ({ ...write }));
    clone.failures = this.failures;
    return clone;
  }

  write(piece: Uint8Array): void {
    if (piece.length === 0) return;
    const from = this.size;
    this.#grow(from + piece.length);
    this.#bytes.set(piece, from);
    this.size = from + piece.length;
    this.#copy = undefined;
    this.unsynced.push({ from, to: this.size, doubtful: false });
  }

  /** A sync that was asked for when the file had `size` bytes has succeeded. */
  synced(size: number): void {
    this.unsynced = this.unsynced.filter(({ to, doubtful }) => doubtful || to > size);
    this.durableSize = Math.max(this.durableSize, size);
  }

  /** It failed: the kernel takes the pages for clean, whatever is on the disk. */
  syncFailed(size: number): void {
    this.failures++;
    for (const write of this.unsynced) if (write.to <= size) write.doubtful = true;
  }

  #grow(size: number): void {
    if (size <= this.#bytes.length) return;
    const grown = Buffer.alloc(Math.max(size, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.size);
    this.#bytes = grown;
  }
}

/** What a name stands for; `undefined`: nothing. A folder has no content of its own. */
export type Node = SimulatedFile | "folder" | undefined;

/** All that a name has stood for since its folder was synced, the durable one first, the present one last. */
export type NameHistory = Node[];

export type CallKind =
  | "open"
  | "create"
  | "read"
  | "append"
  | "size"
  | "sync"
  | "close"
  | "list"
  | "makeFolder"
  | "publish"
  | "link"
  | "replace"
  | "remove"
  | "syncFolder"
  | "freeBytes"
  | "type";

export interface SeamCall {
  kind: CallKind;
  path: string;
}

/** How a call fails: with the error of the system; an append or publish with nothing done, or half of it. */
export interface Fault {
  code: string;
  half?: boolean;
}

export interface DiskHooks {
  /** Around each call that changes what is on the disk; "middle" while it is under way. */
  moment?(call: SeamCall, phase: "before" | "middle" | "after"): void;
  /** Asked before each call. */
  fault?: ((call: SeamCall) => Fault | undefined) | undefined;
  /** How long a sync of the thread pool takes. */
  delay?(): Promise<void>;
}

const FREE_BYTES = 2 ** 40;
const EXT4 = 0xef53;

/**
 * A disk in memory for the log of the home in `home`, which keeps what was written apart from what was synced, as
 * FORMAT.md ("What is assumed of the disk") says that a real one may. The rest of the home is on the real disk. Names
 * are kept apart from data: syncing a file does not make its name durable, syncing its folder does.
 */
export class SimulatedDisk implements FileSystem {
  readonly home: string;
  readonly log: string;
  readonly names = new Map<string, NameHistory>();
  hooks: DiskHooks = {};
  openFiles = 0;
  /** What no program may do with its files. */
  readonly misuse: string[] = [];

  constructor(home: string) {
    this.home = home;
    this.log = join(home, "log");
  }

  /** Puts a file there as one that has been durable for long. */
  place(name: string, bytes: Buffer): void {
    this.names.set(join(this.log, name), [new SimulatedFile(bytes)]);
  }

  placeLogFolder(): void {
    this.names.set(this.log, ["folder"]);
  }

  /** The files of the log as processes see them, by name. */
  contents(): Map<string, Buffer> {
    const files = new Map<string, Buffer>();
    for (const [path, nodes] of this.names) {
      const file = nodes.at(-1);
      if (file instanceof SimulatedFile) files.set(path.slice(this.log.length + 1), file.copy);
    }
    return files;
  }

  /** Another disk in the same state, with the log of another home. */
  copyTo(home: string): SimulatedDisk {
    const copy = new SimulatedDisk(home);
    const clones = new Map<SimulatedFile, SimulatedFile>();
    const cloned = (node: Node) => {
      if (!(node instanceof SimulatedFile)) return node;
      const clone = clones.get(node) ?? node.clone();
      clones.set(node, clone);
      return clone;
    };
    for (const [path, nodes] of this.names)
      if (this.#isSimulated(path)) copy.names.set(copy.log + path.slice(this.log.length), nodes.map(cloned));
    return copy;
  }

  open(path: string, mode: "read" | "append" | "create"): LogFile {
    const call: SeamCall = { kind: mode === "create" ? "create" : "open", path };
    this.check(call);
    let file = this.#current(path);
    if (mode === "create") {
      if (file) throw systemError("EEXIST", "open");
      if (!this.#current(dirname(path))) throw systemError("ENOENT", "open");
      this.hooks.moment?.(call, "before");
      file = new SimulatedFile();
      this.#name(path, file);
      this.hooks.moment?.(call, "after");
    }
    if (!file) throw systemError("ENOENT", "open");
    if (file === "folder") throw systemError("EISDIR", "open");
    return new SimulatedHandle(this, file, path, mode !== "read");
  }

  exists(path: string): boolean {
    return this.#isSimulated(path) ? this.#current(path) !== undefined : existsSync(path);
  }

  sizeOf(path: string): number {
    this.check({ kind: "size", path });
    const node = this.#current(path);
    return node instanceof SimulatedFile ? node.size : 0;
  }

  list(folder: string): string[] {
    this.check({ kind: "list", path: folder });
    if (!this.#current(folder)) throw systemError("ENOENT", "scandir");
    const inside = `${folder}/`;
    return [...this.names]
      .filter(([path, nodes]) => path.startsWith(inside) && nodes.at(-1) !== undefined)
      .map(([path]) => path.slice(inside.length));
  }

  makeFolder(path: string): void {
    const call: SeamCall = { kind: "makeFolder", path };
    this.check(call);
    const missing: string[] = [];
    for (let each = path; this.#isMissing(each); each = dirname(each)) missing.unshift(each);
    if (path !== this.log) mkdirSync(path, { recursive: true });
    else mkdirSync(this.home, { recursive: true });
    const own = missing.filter((each) => this.log === each || this.log.startsWith(`${each}/`));
    if (own.length === 0) return;
    this.hooks.moment?.(call, "before");
    for (const each of own) {
      this.#name(each, "folder");
      this.hooks.moment?.(call, "after");
    }
  }

  publish(from: string, to: string): void {
    const call: SeamCall = { kind: "publish", path: to };
    const fault = this.hooks.fault?.(call);
    if (fault && !fault.half) throw systemError(fault.code, "link");
    const file = this.#current(from);
    if (!file) throw systemError("ENOENT", "link");
    if (this.#current(to)) throw systemError("EEXIST", "link");
    this.hooks.moment?.(call, "before");
    this.#name(to, file);
    this.hooks.moment?.(call, "middle");
    if (fault) throw systemError(fault.code, "unlink");
    this.#name(from, undefined);
    this.hooks.moment?.(call, "after");
  }

  link(from: string, to: string): void {
    const call: SeamCall = { kind: "link", path: to };
    this.check(call);
    const file = this.#current(from);
    if (!file) throw systemError("ENOENT", "link");
    if (this.#current(to)) throw systemError("EEXIST", "link");
    this.hooks.moment?.(call, "before");
    this.#name(to, file);
    this.hooks.moment?.(call, "after");
  }

  replace(from: string, to: string): void {
    const call: SeamCall = { kind: "replace", path: to };
    this.check(call);
    const file = this.#current(from);
    if (!file) throw systemError("ENOENT", "rename");
    this.hooks.moment?.(call, "before");
    // A rename that is only half on the disk leaves both names, or the old one: never none.
    this.#name(to, file);
    this.hooks.moment?.(call, "middle");
    this.#name(from, undefined);
    this.hooks.moment?.(call, "after");
  }

  remove(path: string): void {
    const call: SeamCall = { kind: "remove", path };
    this.check(call);
    if (!this.#current(path)) return;
    this.hooks.moment?.(call, "before");
    this.#name(path, undefined);
    this.hooks.moment?.(call, "after");
  }

  syncFolder(path: string): void {
    const call: SeamCall = { kind: "syncFolder", path };
    this.check(call);
    if (this.#isSimulated(path) && !this.#current(path)) throw systemError("ENOENT", "open");
    this.hooks.moment?.(call, "before");
    for (const [name, nodes] of this.names) {
      if (dirname(name) !== path) continue;
      const now = nodes.at(-1);
      if (now) this.names.set(name, [now]);
      else this.names.delete(name);
    }
    this.hooks.moment?.(call, "after");
  }

  type(path: string): number {
    this.check({ kind: "type", path });
    return EXT4;
  }

  freeBytes(path: string): number {
    this.check({ kind: "freeBytes", path });
    return FREE_BYTES;
  }

  /** @throws the error that the call is to fail with */
  check(call: SeamCall): void {
    const fault = this.hooks.fault?.(call);
    if (fault) throw systemError(fault.code, call.kind);
  }

  #isSimulated(path: string): boolean {
    return path === this.log || path.startsWith(`${this.log}/`);
  }

  #isMissing(path: string): boolean {
    return this.#isSimulated(path) ? this.#current(path) === undefined : !existsSync(path);
  }

  #current(path: string): Node {
    return this.names.get(path)?.at(-1);
  }

  #name(path: string, node: Node): void {
    const nodes = this.names.get(path) ?? [undefined];
    this.names.set(path, [...nodes, node]);
  }
}

class SimulatedHandle implements LogFile {
  readonly #disk: SimulatedDisk;
  readonly #file: SimulatedFile;
  readonly #path: string;
  readonly #writable: boolean;
  #open = true;
  #syncs = 0;
  #failuresSeen: number;

  constructor(disk: SimulatedDisk, file: SimulatedFile, path: string, writable: boolean) {
    this.#disk = disk;
    this.#file = file;
    this.#path = path;
    this.#writable = writable;
    this.#failuresSeen = file.failures;
    disk.openFiles++;
  }

  read(into: Buffer, position: number): number {
    this.#check("read");
    return this.#file.bytes.copy(into, 0, Math.min(position, this.#file.size));
  }

  async readAsync(into: Buffer, position: number): Promise<number> {
    this.#check("read");
    await this.#disk.hooks.delay?.();
    return this.#file.bytes.copy(into, 0, Math.min(position, this.#file.size));
  }

  append(pieces: readonly Uint8Array[]): void {
    const call: SeamCall = { kind: "append", path: this.#path };
    if (!this.#writable) this.#disk.misuse.push(`append to ${this.#path}, opened for reading`);
    this.#mustBeOpen("append");
    const fault = this.#disk.hooks.fault?.(call);
    if (fault && !fault.half) throw systemError(fault.code, "write");
    const { moment } = this.#disk.hooks;
    const total = pieces.reduce((sum, piece) => sum + piece.length, 0);
    const half = total >> 1;
    moment?.(call, "before");
    this.#writePart(pieces, 0, half);
    moment?.(call, "middle");
    if (!fault) this.#writePart(pieces, half, total);
    moment?.(call, "after");
    if (fault) throw systemError(fault.code, "write");
  }

  size(): number {
    this.#check("size");
    return this.#file.size;
  }

  sync(): void {
    const call = this.#beginSync();
    this.#endSync(call, this.#file.size);
  }

  async syncAsync(): Promise<void> {
    const call = this.#beginSync();
    const { size } = this.#file;
    this.#syncs++;
    await this.#disk.hooks.delay?.();
    this.#syncs--;
    this.#disk.hooks.moment?.(call, "middle");
    this.#endSync(call, size);
  }

  close(): void {
    if (this.#syncs > 0) this.#disk.misuse.push(`${this.#path} was closed under a sync of it`);
    this.#mustBeOpen("close");
    this.#open = false;
    this.#disk.openFiles--;
  }

  /** Of all pieces in a row, the bytes from `from` up to `to`; each piece is a write of its own. */
  #writePart(pieces: readonly Uint8Array[], from: number, to: number): void {
    let at = 0;
    for (const piece of pieces) {
      this.#file.write(piece.subarray(Math.max(0, from - at), Math.max(0, to - at)));
      at += piece.length;
    }
  }

  #beginSync(): SeamCall {
    this.#mustBeOpen("fdatasync");
    const call: SeamCall = { kind: "sync", path: this.#path };
    this.#disk.hooks.moment?.(call, "before");
    return call;
  }

  #endSync(call: SeamCall, size: number): void {
    const fault = this.#disk.hooks.fault?.(call);
    const failedElsewhere = this.#failuresSeen < this.#file.failures;
    if (fault) this.#file.syncFailed(size);
    else if (!failedElsewhere) this.#file.synced(size);
    this.#failuresSeen = this.#file.failures;
    this.#disk.hooks.moment?.(call, "after");
    if (fault || failedElsewhere) throw systemError(fault?.code ?? "EIO", "fdatasync");
  }

  #check(kind: CallKind): void {
    this.#mustBeOpen(kind);
    this.#disk.check({ kind, path: this.#path });
  }

  /** A descriptor that was closed may be another file's by now. */
  #mustBeOpen(doing: string): void {
    if (this.#open) return;
    this.#disk.misuse.push(`${doing} of ${this.#path} after it was closed`);
    throw systemError("EBADF", doing);
  }
}

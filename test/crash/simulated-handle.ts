import type { LogFile } from "../../engine/log/file.ts";
import { readPieces, systemError } from "../helpers/files.ts";
import type { CallKind, SeamCall, WatchedDisk } from "./simulated-calls.ts";
import type { SimulatedFile } from "./simulated-file.ts";

/** A file of a simulated disk as one opener has it. */
export class SimulatedHandle implements LogFile {
  readonly #disk: WatchedDisk;
  readonly #file: SimulatedFile;
  readonly #path: string;
  readonly #writable: boolean;
  #open = true;
  #syncs = 0;
  readonly #failuresBefore: number;
  #failuresSeen: number;

  constructor(disk: WatchedDisk, file: SimulatedFile, path: string, writable: boolean) {
    this.#disk = disk;
    this.#file = file;
    this.#path = path;
    this.#writable = writable;
    this.#failuresBefore = file.failures;
    this.#failuresSeen = file.failures;
    disk.openFiles++;
  }

  read(into: Buffer, position: number, length = into.length): number {
    this.#check("read");
    const start = Math.min(position, this.#file.size);
    return this.#file.bytes.copy(into, 0, start, start + length);
  }

  async readAsync(into: readonly Buffer[], position: number): Promise<number> {
    this.#check("read");
    await this.#disk.hooks.delay?.();
    const { bytes, size } = this.#file;
    return readPieces(into, position, (piece, at) => bytes.copy(piece, 0, Math.min(at, size)));
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

  async closeAsync(): Promise<void> {
    this.close();
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
    else if (!failedElsewhere) {
      const isNew = this.#failuresBefore === this.#file.failures;
      if (isNew && this.#file.hasDoubts(size)) this.#disk.hooks.deceived?.();
      this.#file.synced(size);
    }
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

/** The files of a log in memory, so that damaging and restoring them takes no time. Folders are those of the disk. */
import { basename, dirname } from "node:path";
import type { FileSystem, LogFile } from "../../engine/log/file.ts";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { readPieces, systemError } from "../helpers/files.ts";

export class MemoryFiles implements FileSystem {
  /** By path. The bytes may be changed in place, or replaced. */
  readonly contents = new Map<string, Buffer>();

  constructor(contents: Iterable<[path: string, bytes: Buffer]> = []) {
    for (const [path, bytes] of contents) this.contents.set(path, Buffer.from(bytes));
  }

  open(path: string, mode: "read" | "append" | "create"): LogFile {
    const exists = this.contents.has(path);
    if (mode === "create" && exists) throw systemError("EEXIST", `open ${path}`);
    if (mode !== "create" && !exists) throw systemError("ENOENT", `open ${path}`);
    if (mode === "create") this.contents.set(path, Buffer.alloc(0));
    return this.#file(path);
  }

  #file(path: string): LogFile {
    const { contents } = this;
    const read = (into: Buffer, position: number) => {
      const bytes = contents.get(path)!;
      return position < bytes.length ? bytes.copy(into, 0, position) : 0;
    };
    return {
      read,
      readAsync: async (into, position) => readPieces(into, position, read),
      append: (pieces) => void contents.set(path, Buffer.concat([contents.get(path)!, ...pieces])),
      size: () => contents.get(path)!.length,
      sync: () => {},
      syncAsync: async () => {},
      close: () => {},
      closeAsync: async () => {},
    };
  }

  exists(path: string): boolean {
    return this.contents.has(path) || nodeFileSystem.exists(path);
  }

  sizeOf(path: string): number {
    return this.contents.get(path)?.length ?? 0;
  }

  list(folder: string): string[] {
    return [...this.contents.keys()].filter((path) => dirname(path) === folder).map((path) => basename(path));
  }

  makeFolder = nodeFileSystem.makeFolder;

  publish(from: string, to: string): void {
    this.link(from, to);
    this.contents.delete(from);
  }

  link(from: string, to: string): void {
    if (this.contents.has(to)) throw systemError("EEXIST", `link ${to}`);
    this.contents.set(to, this.contents.get(from)!);
  }

  replace(from: string, to: string): void {
    this.contents.set(to, this.contents.get(from)!);
    this.contents.delete(from);
  }

  remove(path: string): void {
    this.contents.delete(path);
  }

  syncFolder(): void {}

  type = nodeFileSystem.type;
  freeBytes = nodeFileSystem.freeBytes;
}

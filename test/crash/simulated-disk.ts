import { existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import type { FileSystem, LogFile } from "../../engine/log/file.ts";
import { systemError } from "../helpers/files.ts";
import type { DiskHooks, SeamCall, WatchedDisk } from "./simulated-calls.ts";
import { SimulatedFile } from "./simulated-file.ts";
import { SimulatedHandle } from "./simulated-handle.ts";

/** What a name stands for; `undefined`: nothing. A folder has no content of its own. */
export type Node = SimulatedFile | "folder" | undefined;

/** All that a name has stood for since its folder was synced, the durable one first, the present one last. */
export type NameHistory = Node[];

/** Little enough to be asked for by each commit: how often would else depend on how fast the machine is. */
const FREE_BYTES = 512 * 1024 * 1024;
const EXT4 = 0xef53;

/**
 * A disk in memory for the log of the home in `home`, which keeps what was written apart from what was synced, as
 * FORMAT.md ("What is assumed of the disk") says that a real one may. The rest of the home is on the real disk. Names
 * are kept apart from data: syncing a file does not make its name durable, syncing its folder does.
 */
export class SimulatedDisk implements FileSystem, WatchedDisk {
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

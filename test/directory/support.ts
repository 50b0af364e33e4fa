import { createHash } from "node:crypto";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { ByteRange, SaveDirectoryOptions } from "../../engine/api.ts";
import { WHOLE_BYTES_MAX } from "../../engine/chunk/chunks.ts";
import type { CapturedTree, CaptureOptions } from "../../engine/directory/capture.ts";
import { captureTree } from "../../engine/directory/capture.ts";
import { EarlierTree } from "../../engine/directory/changes.ts";
import type { DirectoryContents } from "../../engine/directory/contents.ts";
import { StoredDirectory } from "../../engine/directory/directory.ts";
import type { FileContent, FileEntry, TreeEntry } from "../../engine/directory/entry.ts";
import { IgnoreRules } from "../../engine/directory/ignore.ts";
import { Manifest } from "../../engine/directory/manifest.ts";
import { ManifestWriter } from "../../engine/directory/manifest-writer.ts";
import type { ManifestNode } from "../../engine/directory/node.ts";
import type { StoredContent, TreeSink } from "../../engine/directory/sink.ts";
import { VarveError } from "../../engine/errors.ts";
import { fastFolder, newFolder as folderIn } from "../helpers/folders.ts";

/** In memory where that can be: what is synced here need not last. */
export const newFolder = (): string => folderIn(fastFolder());

export function sha256(...pieces: Uint8Array[]): Buffer {
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  return hash.digest();
}

const hex = (digest: Uint8Array): string => Buffer.from(digest).toString("hex");

/** What a store would do with a tree, in memory. */
export class MemoryStore implements TreeSink, DirectoryContents {
  readonly nodes = new Map<string, ManifestNode>();
  readonly files = new Map<string, Uint8Array>();
  /** Files given, also those that were known. */
  filesPut = 0;
  streamed = 0;

  putFile(bytes: Uint8Array): Uint8Array {
    this.filesPut++;
    return this.keep(bytes);
  }

  async putLarge(pieces: AsyncIterable<Uint8Array>): Promise<StoredContent> {
    this.filesPut++;
    const all: Uint8Array[] = [];
    for await (const piece of pieces) all.push(piece);
    return this.keepLarge(Buffer.concat(all));
  }

  /** Longer ones are found by another digest than their own. */
  keepLarge(bytes: Uint8Array): StoredContent {
    const digest = this.keep(bytes);
    return bytes.length > WHOLE_BYTES_MAX
      ? { digest, root: sha256(Buffer.from("lists"), digest) }
      : { digest };
  }

  keep(bytes: Uint8Array): Uint8Array {
    const digest = sha256(bytes);
    this.files.set(hex(digest), bytes);
    return digest;
  }

  putNode(node: ManifestNode): Uint8Array {
    const digest = sha256(...node.references, node.content);
    this.nodes.set(hex(digest), node);
    return digest;
  }

  load = (digest: Uint8Array): ManifestNode => {
    const node = this.nodes.get(hex(digest));
    if (!node) throw new VarveError("NOT_FOUND", "no such node");
    return node;
  };

  bytes({ digest }: FileContent, range?: ByteRange): Uint8Array {
    const bytes = this.files.get(hex(digest));
    if (!bytes) throw new VarveError("CORRUPTION", "no such content");
    return bytes.subarray(range?.start ?? 0, range?.end);
  }

  async *stream(file: FileContent, range?: ByteRange): AsyncGenerator<Uint8Array> {
    const bytes = this.bytes(file, range);
    this.streamed++;
    for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000);
  }

  directory(root: Uint8Array): StoredDirectory {
    return new StoredDirectory(this.manifest(root), this);
  }

  manifest(root: Uint8Array): Manifest {
    return new Manifest(this.load(root), this.load);
  }

  earlier({ root, stamps }: CapturedTree): EarlierTree {
    return new EarlierTree(this.load(root), this.load(stamps), this.load);
  }
}

export interface Captured extends CapturedTree {
  store: MemoryStore;
  directory: StoredDirectory;
}

/** Saves a folder; with `before`, as its next version. */
export async function capture(
  root: string,
  options: SaveDirectoryOptions & Partial<Omit<CaptureOptions, "ignore"> & { before: Captured }> = {},
): Promise<Captured> {
  const { before, signal, onProgress, checkContents } = options;
  const store = before?.store ?? new MemoryStore();
  const captured = await captureTree(root, store, {
    ignore: new IgnoreRules(options.ignore),
    earlier: before && !checkContents ? store.earlier(before) : undefined,
    signal,
    onProgress,
  });
  return { ...captured, store, directory: store.directory(captured.root) };
}

/** The manifest of entries that no folder ever had, from whoever wants to harm. */
export function written(entries: TreeEntry[], store = new MemoryStore()): Captured {
  const writer = new ManifestWriter((node) => store.putNode(node));
  for (const entry of entries) writer.add(entry);
  const tree = { ...writer.finish(), filesRead: 0, bytesRead: 0 };
  return { ...tree, store, directory: store.directory(tree.root) };
}

export function file(store: MemoryStore, path: string, content: string | Uint8Array = path): FileEntry {
  const bytes = Buffer.from(content as string);
  return { kind: "file", path, size: bytes.length, executable: false, ...store.keepLarge(bytes) };
}

/** What is to be in a folder: a file's content, a link (`{ to }`), an executable, an empty folder (`null`). */
export type Plan = Record<string, string | Uint8Array | null | { to: string } | { run: string }>;

export function makeTree(root: string, plan: Plan): void {
  for (const [path, what] of Object.entries(plan)) {
    const full = join(root, path);
    mkdirSync(what === null ? full : dirname(full), { recursive: true });
    if (what === null) continue;
    if (typeof what === "string" || what instanceof Uint8Array) writeFileSync(full, what);
    else if ("to" in what) symlinkSync(what.to, full);
    else {
      writeFileSync(full, what.run);
      chmodSync(full, 0o755);
    }
  }
}

/** All that a tree is, for comparison: every path with what is there. */
export function treeOf(root: string): string[] {
  const found: string[] = [];
  const folders = [""];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const name of readdirSync(join(root, folder), { encoding: "buffer" })) {
      const path = `${folder}/${name.toString("utf8")}`;
      const full = join(root, path);
      const { mode } = lstatSync(full);
      const status = lstatSync(full);
      if (status.isDirectory()) folders.push(path);
      const what = status.isDirectory()
        ? "folder"
        : status.isSymbolicLink()
          ? `link to ${readlinkSync(full)}`
          : `${mode & 0o100 ? "executable" : "file"} ${hex(sha256(readFileSync(full)))}`;
      found.push(`${path} ${what}`);
    }
  }
  return found.sort();
}

export async function entriesOf(directory: StoredDirectory, path?: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const entry of directory.list(path)) paths.push(entry.path);
  return paths;
}

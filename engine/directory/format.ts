import { isAscii } from "node:buffer";
import { WHOLE_BYTES_MAX } from "../chunk/chunks.ts";
import { NodeKind } from "../chunk/node.ts";
import { DIGEST_BYTES, readUint32 } from "../log/format.ts";
import { ByteReader, type ByteWriter, damaged, textOf } from "./bytes.ts";
import type { TreeEntry } from "./entry.ts";
import { isSoundPath, PATH_BYTES_MAX } from "./entry.ts";
import type { ManifestNode } from "./node.ts";

/**
 * The bytes of a manifest; `README.md` shows them. A root lists pieces, each a run of entries in the order of their keys. A
 * tree has one form: what is read here and written again has the same bytes.
 */

const FORMAT_VERSION = 1;
export const PIECE_ENTRIES_MAX = 1_024;
/** A piece ends behind the entry with which it reaches so many bytes. */
export const PIECE_BYTES_MAX = 64 * 1024;
const ROOT_PIECES_MAX = 1_000_000;
/** An empty folder's key has its slash in addition. */
const KEY_BYTES_MAX = PATH_BYTES_MAX + 1;

/** What an entry is, its first byte. */
const Kind = { file: 0, executable: 1, link: 2, directory: 3 } as const;

export interface RootPiece {
  digest: Uint8Array;
  entryCount: number;
  /** The key of its first entry. */
  first: string;
}

export interface ManifestRoot {
  entryCount: number;
  /** Bytes of all files. */
  size: number;
  pieces: RootPiece[];
}

/** A key beside the one before it. */
export function writeKey(writer: ByteWriter, key: Buffer, previous: Buffer): void {
  const end = Math.min(key.length, previous.length);
  let shared = 0;
  while (shared < end && key[shared] === previous[shared]) shared++;
  writer.number(shared);
  writer.number(key.length - shared);
  writer.bytes(key, shared);
}

/** @param indexOf where the digest stands among the references of the piece */
export function writeEntry(
  writer: ByteWriter,
  entry: TreeEntry,
  indexOf: (digest: Uint8Array) => number,
): void {
  if (entry.kind === "file") {
    writer.byte(entry.executable ? Kind.executable : Kind.file);
    writer.number(entry.size);
    writer.number(indexOf(entry.root ?? entry.digest));
    if (entry.root) writer.bytes(entry.digest);
  } else if (entry.kind === "link") {
    const target = Buffer.from(entry.target);
    writer.byte(Kind.link);
    writer.number(target.length);
    writer.bytes(target);
  } else {
    writer.byte(Kind.directory);
  }
}

export function writeRoot(writer: ByteWriter, root: Omit<ManifestRoot, "pieces">, firsts: RootPiece[]): void {
  writeHead(writer, NodeKind.directory);
  writer.number(root.entryCount);
  writer.number(root.size);
  let previous: Buffer = Buffer.alloc(0);
  for (const { entryCount, first } of firsts) {
    const key = Buffer.from(first);
    writer.number(entryCount);
    writeKey(writer, key, previous);
    previous = key;
  }
}

/** @throws CORRUPTION for whatever is no root */
export function decodeRoot({ references, content }: ManifestNode): ManifestRoot {
  checkReferences(references);
  const reader = new ByteReader(content);
  checkHead(reader, NodeKind.directory);
  const entryCount = reader.number();
  const size = reader.number();
  if (references.length > ROOT_PIECES_MAX) throw damaged("it has too many pieces");
  const keys = new KeyReader(reader);
  const pieces = references.map((digest) => ({
    digest,
    entryCount: reader.number(PIECE_ENTRIES_MAX),
    first: keys.next(),
  }));
  reader.end();
  if (pieces.some((piece) => piece.entryCount === 0)) throw damaged("a piece is empty");
  if (pieces.reduce((sum, piece) => sum + piece.entryCount, 0) !== entryCount)
    throw damaged("its pieces do not add up");
  return { entryCount, size, pieces };
}

/** @throws CORRUPTION for whatever is no piece */
export function decodePiece(node: ManifestNode): TreeEntry[] {
  const reader = new PieceReader(node);
  const entries: TreeEntry[] = [];
  while (reader.next()) entries.push(reader.entry());
  return entries;
}

/**
 * Goes over the entries of a piece, from the first on. To compare them with others takes no object for each.
 * @throws CORRUPTION for whatever is no piece, at the latest when `next` says that there are no more
 */
export class PieceReader {
  readonly #references: readonly Uint8Array[];
  readonly #reader: ByteReader;
  readonly #keys: KeyReader;
  #left: number;
  #kind: number = Kind.directory;
  /** References are numbered as they are first met, so an entry has one of those before it or the next one. */
  #used = 0;
  #reference: Uint8Array | undefined;
  #digest: Uint8Array | undefined;
  /** Of the entry. */
  key = "";
  /** Of a file. */
  size = 0;
  /** Of a link. */
  target = "";

  constructor({ references, content }: ManifestNode) {
    checkReferences(references);
    this.#references = references;
    this.#reader = new ByteReader(content);
    checkHead(this.#reader, NodeKind.directoryPiece);
    this.#left = this.#reader.number(PIECE_ENTRIES_MAX);
    this.#keys = new KeyReader(this.#reader);
  }

  /** Whether there is another entry, which is then the one that all else is of. */
  next(): boolean {
    if (this.#left === 0) {
      this.#end();
      return false;
    }
    this.#left--;
    this.key = this.#keys.next();
    this.#kind = this.#reader.byte();
    if (this.isFile) this.#readFile();
    else if (this.#kind === Kind.link) this.#readLink();
    else if (this.#kind !== Kind.directory) throw damaged(`there is no kind ${this.#kind}`);
    if ((this.#kind === Kind.directory) !== this.key.endsWith("/"))
      throw damaged("only an empty folder ends with a slash");
    return true;
  }

  get isFile(): boolean {
    return this.#kind === Kind.file || this.isExecutable;
  }

  get isExecutable(): boolean {
    return this.#kind === Kind.executable;
  }

  get isLink(): boolean {
    return this.#kind === Kind.link;
  }

  entry(): TreeEntry {
    const { key, size, target } = this;
    if (this.isLink) return { kind: "link", path: key, target };
    if (!this.isFile) return { kind: "directory", path: key.slice(0, -1) };
    const [reference, digest] = [this.#reference!, this.#digest];
    const file = { kind: "file" as const, path: key, size, executable: this.isExecutable };
    return digest ? { ...file, digest, root: reference } : { ...file, digest: reference };
  }

  #readFile(): void {
    this.size = this.#reader.number();
    const index = this.#reader.number(this.#used);
    if (index === this.#used) this.#used++;
    this.#reference = this.#references[index];
    if (!this.#reference) throw damaged("a reference is missing");
    this.#digest = this.size > WHOLE_BYTES_MAX ? this.#reader.bytes(DIGEST_BYTES) : undefined;
  }

  #readLink(): void {
    this.target = textOf(this.#reader.bytes(this.#reader.number(PATH_BYTES_MAX)));
    if (this.target === "" || this.target.includes("\0")) throw damaged("a link leads nowhere");
  }

  #end(): void {
    this.#reader.end();
    if (this.#used !== this.#references.length) throw damaged("a reference is not used");
    if (hasTwice(this.#references)) throw damaged("a reference stands there twice");
  }
}

/** Mostly told by what they begin with. */
function hasTwice(digests: readonly Uint8Array[]): boolean {
  const beginnings = new Set<number>();
  for (const digest of digests) beginnings.add(readUint32(digest, 0));
  if (beginnings.size === digests.length) return false;
  return new Set(digests.map(latin1)).size < digests.length;
}

/** Keys one after another, which must ascend, and share with the one before as much as they can. */
class KeyReader {
  readonly #reader: ByteReader;
  readonly #key = Buffer.allocUnsafe(KEY_BYTES_MAX);
  #length = 0;
  #text = "";
  #isAscii = true;

  constructor(reader: ByteReader) {
    this.#reader = reader;
  }

  next(): string {
    const shared = this.#reader.number(this.#length);
    const suffix = this.#reader.bytes(this.#reader.number(KEY_BYTES_MAX - shared));
    const ascends = suffix.length > 0 && (shared === this.#length || suffix[0]! > this.#key[shared]!);
    if (!ascends) throw damaged("its names are not in order");
    for (let at = 0; at < suffix.length; at++) this.#key[shared + at] = suffix[at]!;
    this.#length = shared + suffix.length;
    this.#text = this.#textFrom(shared, suffix);
    const path = this.#text.endsWith("/") ? this.#text.slice(0, -1) : this.#text;
    if (!isSoundPath(path)) throw damaged(`${JSON.stringify(this.#text)} is no path within a directory`);
    return this.#text;
  }

  #textFrom(shared: number, suffix: Buffer): string {
    this.#isAscii &&= isAscii(suffix);
    if (this.#isAscii) return this.#text.slice(0, shared) + suffix.toString("latin1");
    const key = this.#key.subarray(0, this.#length);
    this.#isAscii = isAscii(key);
    return textOf(key);
  }
}

export function writeHead(writer: ByteWriter, kind: number): void {
  writer.byte(kind);
  writer.byte(FORMAT_VERSION);
}

export function checkHead(reader: ByteReader, kind: number): void {
  const found = reader.byte();
  if (found !== kind) throw damaged(`it is a node of kind ${found}, not ${kind}`);
  const version = reader.byte();
  if (version !== FORMAT_VERSION) throw damaged(`its version is ${version}`);
}

function checkReferences(references: readonly Uint8Array[]): void {
  if (references.some((digest) => digest.length !== DIGEST_BYTES)) throw damaged("a digest is not 32 bytes");
}

/** A digest as a text to look it up by. */
export function latin1(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString("latin1");
}

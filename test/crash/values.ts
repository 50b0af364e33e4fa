import { createCipheriv, createHash } from "node:crypto";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Artifact, ArtifactStore, Directory, SaveOptions } from "../../engine/api.ts";
import { VarveError } from "../../engine/errors.ts";

/**
 * A value by its key, which tells its kind and size: `<bytes>.<what tells it from others>`, with `.bytes.` bytes from a stream that
 * are kept whole, with `.large.` bytes in chunks, with `.tree.` a directory, with `.tree.large.` one that has a file in chunks. The
 * last three share parts with others of their kind. Equal keys are equal bytes, under whatever name.
 */
export type ValueKey = string;

const BYTES = ".bytes.";
const LARGE = ".large.";
const TREE = ".tree.";
/** Of each large value, the same in many, so that most chunks are shared. */
const SHARED_BYTES = 900_000;
/** Together more than 1 MiB. */
const OWN_BYTES = 160_000;
const SHARED_KINDS = 2;
const KEY_BYTES = 64;
const PIECE_BYTES = 100_000;
/** Files of a tree that others have too, and its own. */
const SHARED_FILES = 4;
const OWN_FILES = 2;

export const isTree = (key: ValueKey): boolean => key.includes(TREE);

export const plainKey = (bytes: number, id: string): ValueKey => `${bytes}.${id}`;
export const bytesKey = (bytes: number, id: string): ValueKey => `${bytes}${BYTES}${id}`;
export const largeKey = (id: string): ValueKey => `${SHARED_BYTES + OWN_BYTES}${LARGE}${id}`;
export const treeKey = (id: string): ValueKey => `${SHARED_FILES + OWN_FILES}${TREE}${id}`;
export const largeTreeKey = (id: string): ValueKey => treeKey(`large.${id}`);

/** Of a key that is no tree's. */
export function valueOfKey(key: ValueKey): unknown {
  return isOfBytes(key) ? bytesOf(key) : { key, pad: "x".repeat(Number.parseInt(key, 10)) };
}

/** @param folder where a tree or a file may be made, and is removed */
export async function saveValue(
  store: ArtifactStore,
  name: string,
  key: ValueKey,
  options: SaveOptions,
  folder: string,
): Promise<Artifact> {
  const way = digestOf(key)[1]! % 3;
  if (isOfBytes(key) && way === 0) return store.save(name, inPieces(bytesOf(key)), options);
  if (!isTree(key) && !(isOfBytes(key) && way === 1)) return store.save(name, valueOfKey(key), options);
  try {
    if (isTree(key)) {
      makeTree(key, folder);
      return await store.saveDirectory(name, folder, options);
    }
    mkdirSync(folder);
    writeFileSync(join(folder, "file"), bytesOf(key));
    return await store.saveFile(name, join(folder, "file"), options);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Begins to save bytes or a tree, and gives it up when much of it was taken: nobody is to find it.
 * @throws what the store throws for another reason
 */
export async function giveUpSaving(
  store: ArtifactStore,
  name: string,
  key: ValueKey,
  bytes: number,
  folder: string,
): Promise<void> {
  const saving = isTree(key)
    ? saveWithLinkOut(store, name, key, folder)
    : saveAborted(store, name, key, bytes);
  const code = isTree(key) ? "UNSUPPORTED_VALUE" : "ABORTED";
  const saved = await saving.catch((error) => {
    if (!(error instanceof VarveError && error.code === code)) throw error;
  });
  if (saved) throw new Error(`${saved.ref} was saved, though it was given up`);
}

/** Which is refused when all of the tree was read. */
async function saveWithLinkOut(
  store: ArtifactStore,
  name: string,
  key: ValueKey,
  folder: string,
): Promise<Artifact> {
  try {
    makeTree(key, folder);
    symlinkSync("/", join(folder, "out"));
    return await store.saveDirectory(name, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param bytes so many are given before */
function saveAborted(store: ArtifactStore, name: string, key: ValueKey, bytes: number): Promise<Artifact> {
  const aborting = new AbortController();
  const all = bytesOf(key);
  async function* untilEnough() {
    yield* inPieces(all.subarray(0, bytes));
    aborting.abort();
    yield* inPieces(all.subarray(bytes));
  }
  return store.save(name, untilEnough(), { signal: aborting.signal });
}

/** The key of a value that was loaded; what is wrong with it where it has none. */
export async function keyOf(value: unknown): Promise<ValueKey | { wrong: string }> {
  if (value instanceof Uint8Array) return keyOfBytes(value);
  if (isDirectory(value)) return keyOfTree(value);
  const { key, pad } = (value ?? {}) as { key?: unknown; pad?: unknown };
  const expected = typeof key === "string" && !isOfBytes(key) && (valueOfKey(key) as { pad: string }).pad;
  if (typeof key !== "string" || pad !== expected)
    return { wrong: `a value that nobody saved: ${JSON.stringify(value)?.slice(0, 100)}` };
  return key;
}

/** A value as text, by its key where it is a tree, or more than a few bytes. */
export async function textOf(value: unknown): Promise<string> {
  const isByKey = (value instanceof Uint8Array && value.length > KEY_BYTES) || isDirectory(value);
  return JSON.stringify(isByKey ? await keyOf(value) : value);
}

function isDirectory(value: unknown): value is Directory {
  return typeof value === "object" && value !== null && "entryCount" in value;
}

const isOfBytes = (key: ValueKey): boolean => !isTree(key) && (key.includes(LARGE) || key.includes(BYTES));

/** The key in front, so that it is read back; then what many have, then its own. */
function bytesOf(key: ValueKey): Buffer {
  const front = Buffer.from(key.padEnd(KEY_BYTES));
  if (key.includes(BYTES)) return Buffer.concat([front, noise(key, Number.parseInt(key, 10))]);
  return Buffer.concat([front, noise(`shared ${kindOf(key)}`, SHARED_BYTES), noise(key, OWN_BYTES)]);
}

async function* inPieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

function keyOfBytes(value: Uint8Array): ValueKey | { wrong: string } {
  const key = Buffer.from(value.subarray(0, KEY_BYTES)).toString().trim();
  const isRight = isOfBytes(key) && bytesOf(key).equals(value);
  return isRight ? key : { wrong: `${value.length} bytes that nobody saved: ${JSON.stringify(key)}` };
}

function filesOf(key: ValueKey): Map<string, Buffer> {
  const files = new Map<string, Buffer>([["key", Buffer.from(key)]]);
  const put = (path: string, text: string) => files.set(path, Buffer.from(text));
  for (let i = 0; i < SHARED_FILES; i++) put(`shared/${i}`, `${kindOf(`${key}${i}`)} `.repeat(200 + i));
  for (let i = 0; i < OWN_FILES; i++) put(`own/deep/${i}`, `${key} ${i} `.repeat(30));
  if (key.includes(LARGE)) files.set("own/large", bytesOf(key));
  return files;
}

function makeTree(key: ValueKey, folder: string): void {
  for (const [path, bytes] of filesOf(key)) {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), bytes);
  }
}

async function keyOfTree(directory: Directory): Promise<ValueKey | { wrong: string }> {
  const key = Buffer.from(await directory.read("key")).toString();
  const files = filesOf(key);
  for await (const { path } of directory.list()) {
    if (!files.get(path)?.equals(await directory.read(path)))
      return { wrong: `a tree of ${key} with a wrong file ${path}` };
    files.delete(path);
  }
  return files.size === 0 ? key : { wrong: `a tree of ${key} without ${[...files.keys()]}` };
}

const digestOf = (text: string): Buffer => createHash("sha256").update(text).digest();

const kindOf = (text: string): number => digestOf(text)[0]! % SHARED_KINDS;

function noise(name: string, bytes: number): Buffer {
  return createCipheriv("aes-256-ctr", digestOf(name), Buffer.alloc(16)).update(Buffer.alloc(bytes));
}

/** Code that is too long to stand in the record: a blob of its own. */
export function codeOf(key: ValueKey): string {
  return `${key}\n${"c".repeat(1_000)}`;
}

export function codeKeyOf(text: string | undefined): ValueKey | undefined {
  if (text === undefined) return undefined;
  const key = text.slice(0, text.indexOf("\n"));
  return text === codeOf(key) ? key : `wrong code: ${text.slice(0, 50)}`;
}

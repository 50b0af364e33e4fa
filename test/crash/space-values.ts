import { createCipheriv, createHash } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Artifact, ArtifactStore, Directory, SaveOptions } from "../../engine/api.ts";
import type { ValueKey } from "./space-events.ts";

/**
 * The value of a key, which tells its kind and size: `<bytes>.<what tells it from others>`, with `.large.` one in chunks, with
 * `.tree.` a directory. Those two share parts with others of their kind.
 */
const LARGE = ".large.";
const TREE = ".tree.";
/** Of each large value, the same in many, so that most chunks are shared. */
const SHARED_BYTES = 900_000;
const OWN_BYTES = 300_000;
const SHARED_KINDS = 2;
const KEY_BYTES = 64;
/** Files of a tree that others have too, and its own. */
const SHARED_FILES = 4;
const OWN_FILES = 2;

export const isTree = (key: ValueKey): boolean => key.includes(TREE);

export const largeKey = (id: string): ValueKey => `${SHARED_BYTES + OWN_BYTES}${LARGE}${id}`;
export const treeKey = (id: string): ValueKey => `${SHARED_FILES + OWN_FILES}${TREE}${id}`;

/** Of a key that is no tree's. */
export function valueOfKey(key: ValueKey): unknown {
  return key.includes(LARGE) ? largeBytes(key) : { key, pad: "x".repeat(Number.parseInt(key, 10)) };
}

/** @param folder where a tree may be made, and is removed */
export async function saveValue(
  store: ArtifactStore,
  name: string,
  key: ValueKey,
  options: SaveOptions,
  folder: string,
): Promise<Artifact> {
  if (key.includes(LARGE)) return store.save(name, inPieces(largeBytes(key)), options);
  if (!isTree(key)) return store.save(name, valueOfKey(key), options);
  try {
    makeTree(key, folder);
    return await store.saveDirectory(name, folder, options);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The key of a value that was loaded; what is wrong with it where it has none. */
export async function keyOf(value: unknown): Promise<ValueKey | { wrong: string }> {
  if (value instanceof Uint8Array) return keyOfBytes(value);
  if (isDirectory(value)) return keyOfTree(value);
  const { key, pad } = (value ?? {}) as { key?: unknown; pad?: unknown };
  const expected =
    typeof key === "string" && !key.includes(LARGE) && (valueOfKey(key) as { pad: string }).pad;
  if (typeof key !== "string" || pad !== expected)
    return { wrong: `a value that nobody saved: ${JSON.stringify(value)?.slice(0, 100)}` };
  return key;
}

function isDirectory(value: unknown): value is Directory {
  return typeof value === "object" && value !== null && "entryCount" in value;
}

/** The key in front, so that it is read back; then what many have, then its own. */
function largeBytes(key: ValueKey): Buffer {
  const shared = noise(`shared ${kindOf(key)}`, SHARED_BYTES);
  return Buffer.concat([Buffer.from(key.padEnd(KEY_BYTES)), shared, noise(key, OWN_BYTES)]);
}

async function* inPieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000);
}

function keyOfBytes(value: Uint8Array): ValueKey | { wrong: string } {
  const key = Buffer.from(value.subarray(0, KEY_BYTES)).toString().trim();
  const isRight = key.includes(LARGE) && largeBytes(key).equals(value);
  return isRight ? key : { wrong: `${value.length} bytes that nobody saved: ${JSON.stringify(key)}` };
}

function filesOf(key: ValueKey): Map<string, string> {
  const files = new Map([["key", key]]);
  for (let i = 0; i < SHARED_FILES; i++) files.set(`shared/${i}`, `${kindOf(`${key}${i}`)} `.repeat(200 + i));
  for (let i = 0; i < OWN_FILES; i++) files.set(`own/deep/${i}`, `${key} ${i} `.repeat(30));
  return files;
}

function makeTree(key: ValueKey, folder: string): void {
  for (const [path, text] of filesOf(key)) {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}

async function keyOfTree(directory: Directory): Promise<ValueKey | { wrong: string }> {
  const text = async (path: string) => Buffer.from(await directory.read(path)).toString();
  const key = await text("key");
  const files = filesOf(key);
  for await (const { path } of directory.list()) {
    if ((await text(path)) !== files.get(path))
      return { wrong: `a tree of ${key} with a wrong file ${path}` };
    files.delete(path);
  }
  return files.size === 0 ? key : { wrong: `a tree of ${key} without ${[...files.keys()]}` };
}

const kindOf = (text: string): number => createHash("sha256").update(text).digest()[0]! % SHARED_KINDS;

function noise(name: string, bytes: number): Buffer {
  const key = createHash("sha256").update(name).digest();
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(bytes));
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

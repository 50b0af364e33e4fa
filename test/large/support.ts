import { createCipheriv, createHash } from "node:crypto";
import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import type { KeyRange } from "../../engine/artifact-key.ts";
import { nodesRange, pinsRange } from "../../engine/artifact-key.ts";
import { nextCut } from "../../engine/chunk/cutter.ts";
import type { EngineCore } from "../../engine/engine.ts";
import { openCore } from "../../engine/open.ts";
import { gate } from "../helpers/files.ts";
import { Random } from "../helpers/random.ts";
import { until } from "../helpers/time.ts";

export const MIB = 1024 * 1024;
/** Some twenty chunks, under one list. */
export const LARGE = MIB + 200_000;
/** For tests that are not of what a disk keeps. */
export const BUFFERED = { durability: "buffered" } as const;
/** A log that has nothing but records of what was. */
export const EMPTY_LOG_BYTES = 64 * 1024;

/** As many bytes as are wanted, which no cut and no digest finds anything in. */
export function noise(random: Random, length = LARGE): Buffer {
  const key = createHash("sha256").update(`${random.seed} ${random.next()}`).digest();
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

/** Behind which a list ends: its digest begins with a zero byte. */
const LIST_END = noise(new Random("the end of a list", 649), 39_414);
const LIST_CHUNKS = 66;

/** As `noise`, some four MiB a list: so few make so many lists, whatever is in them. */
export function listed(random: Random, lists: number): Buffer {
  return Buffer.concat(Array.from({ length: lists }, () => [chunksOfNoise(random), LIST_END]).flat());
}

function chunksOfNoise(random: Random): Buffer {
  const bytes = noise(random, 5 * MIB);
  let end = 0;
  for (let i = 0; i < LIST_CHUNKS; i++) end = nextCut(bytes, end, bytes.length, false)!;
  return bytes.subarray(0, end);
}

export function digestOf(bytes: Uint8Array | string): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/**
 * Bytes in pieces of all sizes, some of them empty.
 * @param memory each piece is written over the one before: for who takes one before it asks for the next
 */
export async function* pieces(
  bytes: Uint8Array,
  random: Random,
  memory?: Uint8Array,
): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; ) {
    const piece = bytes.subarray(at, at + random.below(memory?.length ?? 200_000));
    at += piece.length;
    memory?.set(piece);
    yield memory?.subarray(0, piece.length) ?? piece;
  }
}

/** A source that gives some bytes, and waits in the middle until it is told to go on. */
export interface Waiting {
  source: AsyncGenerator<Uint8Array>;
  /** It has given what it has before the middle, and all of that was taken. */
  waits: Promise<void>;
  goOn(): void;
}

export function waiting(bytes: Uint8Array, middle = bytes.length >> 1): Waiting {
  const reached = gate();
  const told = gate();
  async function* give() {
    yield bytes.subarray(0, middle);
    reached.open();
    await told.opened;
    yield bytes.subarray(middle);
  }
  return { source: give(), waits: reached.opened, goOn: told.open };
}

export async function collected(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of stream) all.push(piece);
  return Buffer.concat(all);
}

/** What is left of a stream that somebody has begun to read. */
export async function restOf(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array[]> {
  const rest: Uint8Array[] = [];
  for (let next = await reader.read(); !next.done; next = await reader.read()) rest.push(next.value);
  return rest;
}

/** Not by uvu, which would print a million bytes. */
export function same(actual: Uint8Array, expected: Uint8Array, what = "bytes"): void {
  assert.is(actual.length, expected.length, `${what}: ${actual.length} of ${expected.length}`);
  assert.ok(Buffer.compare(actual, expected) === 0, `${what}: other bytes`);
}

/** The core of a store that this process has open. */
export async function withCore<T>(home: string, action: (core: EngineCore) => T | Promise<T>): Promise<T> {
  const { core, release } = await openCore(home, { application: "artifact" });
  try {
    core.refresh();
    return await action(core);
  } finally {
    await release();
  }
}

function rowsOf(home: string, range: KeyRange): Promise<number> {
  return withCore(home, (core) => core.rows(range).length);
}

export const pinsOf = (home: string) => rowsOf(home, pinsRange());
/** Resolves when a save under way has written something: it is not waited for by its source. */
export async function pinned(home: string): Promise<void> {
  await until("something is pinned", async () => (await pinsOf(home)) > 0);
}

export const nodesOf = (home: string) => rowsOf(home, nodesRange());

/** All is as the log says, and nothing of it is damaged. */
export async function whole(store: ArtifactStore): Promise<void> {
  assert.equal((await store.verify({ full: true })).problems, []);
}

/** Of a save that failed: nobody finds a version, no pin is left, and the store is whole. */
export async function nothingFound(home: string, store: ArtifactStore, name: string): Promise<void> {
  assert.not(await store.has(name));
  assert.is(await pinsOf(home), 0, "pins are left");
  await whole(store);
}

/** Nothing of any value is left once it is compacted, and nothing that keeps it. */
export async function allFreed(home: string, store: ArtifactStore): Promise<void> {
  await store.compact();
  const { blobs, logBytes } = await store.stats();
  assert.is(blobs, 0);
  assert.ok(logBytes < EMPTY_LOG_BYTES, `${logBytes} bytes are left of the log`);
  assert.is(await pinsOf(home), 0, "pins are left");
  assert.is(await nodesOf(home), 0, "nodes are left");
  await whole(store);
}

/**
 * Puts blobs and removes some of them until it is killed. What it was told it writes to a file right away: with write(2), so it
 * is there whatever happens to this process.
 */
import { openSync, writeSync } from "node:fs";
import type { BlobStore } from "../../engine/main.ts";
import { Random } from "../helpers/random.ts";
import type { BlobKey, BlobsProgramOptions, ToldOfBlob } from "./blobs-support.ts";
import { bytesOfKey, digestOf, openBlobs } from "./blobs-support.ts";

const LANES = 12;
const PIECE_BYTES = 100_000;
/** A process that nobody kills ends by itself. */
const LIFE_MILLISECONDS = 20_000;

const options: BlobsProgramOptions = JSON.parse(process.argv[2]!);
const random = new Random("blobs", options.seed);
const store: BlobStore = await openBlobs(options);
const told = openSync(options.told, "a");
const tell = (line: ToldOfBlob) => writeSync(told, `${JSON.stringify(line)}\n`);
const until = Date.now() + LIFE_MILLISECONDS;
const kept: BlobKey[] = [];
let count = 0;

console.log("ready");
await Promise.all(Array.from({ length: LANES }, lane));
process.exit(0);

async function lane(): Promise<void> {
  while (Date.now() < until) await one();
}

async function one(): Promise<void> {
  const draw = random.below(100);
  if (draw < 10) return remove();
  if (draw < 12) return collect();
  if (draw < 30 && kept.length > 0) return put(kept[random.below(kept.length)]!);
  return put(newKey());
}

function newKey(): BlobKey {
  const isLong = random.below(20) === 0;
  const size = isLong ? 1024 * 1024 + random.below(1_500_000) : random.below(5_000);
  return { seed: options.seed, count: count++, size };
}

async function put(key: BlobKey): Promise<void> {
  const bytes = bytesOfKey(key);
  if (random.below(2) === 0) await store.put(bytes, digestOf(bytes));
  else await store.putPieces(inPieces(bytes));
  tell({ told: "put", key });
  kept.push(key);
}

/** One that nobody puts again, so it may be there or not. */
async function remove(): Promise<void> {
  const bytes = bytesOfKey(newKey());
  await store.put(bytes, digestOf(bytes));
  await store.remove([digestOf(bytes)], (await store.now()) + 60_000);
}

/** Others may be doing it. */
async function collect(): Promise<void> {
  await store.collect((await store.now()) - 10_000).catch((error: { code?: string }) => {
    if (error.code !== "CONFLICT") throw error;
  });
}

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

import { closeSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { BlobStore } from "../../engine/main.ts";
import { newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import type { BlobPlaceKind, BlobsProgramOptions, ToldOfBlob } from "./blobs-support.ts";
import { bytesOfKey, digestOf, openBlobs } from "./blobs-support.ts";
import type { Harness, HarnessOptions, HarnessResult } from "./harness.ts";
import { PlainProcess } from "./plain-programs.ts";

const RANDOM_MILLISECONDS_MAX = 300;
const HANG_MILLISECONDS = 60_000;

export class BlobsTally implements HarnessResult {
  readonly counts = { kills: 0, "told puts": 0, blobs: 0 };
  readonly violations: string[] = [];
}

/** One place, in which one or two processes are killed at a time, and which is looked at after each time. */
export async function blobsRound(
  seed: number,
  kind: BlobPlaceKind,
  kills: number,
  tally: BlobsTally,
): Promise<void> {
  const random = new Random("blobs", seed);
  const parent = newFolder();
  const place = { kind, folder: join(parent, "place"), told: join(parent, "told") };
  closeSync(openSync(place.told, "a"));
  for (let kill = 0; kill < kills; kill++) {
    const writers = Array.from({ length: 1 + random.below(2) }, () => ({
      ...place,
      seed: random.below(2 ** 31),
    }));
    await Promise.all(
      writers.map((options) => live(options, random.next() * RANDOM_MILLISECONDS_MAX, tally)),
    );
    const found = await check(place, tally);
    for (const violation of found)
      tally.violations.push(`${violation} (${kind}, round ${seed}, kill ${kill})`);
  }
  rmSync(parent, { recursive: true });
}

async function live(options: BlobsProgramOptions, milliseconds: number, tally: BlobsTally): Promise<void> {
  const writer = new PlainProcess("blobs-program", options);
  const ended = writer.endWithin(HANG_MILLISECONDS);
  const isReady = (await writer.next()) === "ready";
  const timer = setTimeout(() => writer.signal("SIGKILL"), isReady ? milliseconds : 0);
  const { code, signal } = await ended;
  clearTimeout(timer);
  if (signal === "SIGKILL" && isReady) tally.counts.kills++;
  else
    tally.violations.push(
      `a writer ended with ${signal ?? code}: ${writer.errors}; ${JSON.stringify(options)}`,
    );
}

async function check(place: Omit<BlobsProgramOptions, "seed">, tally: BlobsTally): Promise<string[]> {
  const store = await openBlobs(place);
  try {
    const violations = await checkAll(store, place.told, tally);
    await store.collect((await store.now()) + 60_000);
    if (place.kind === "folder") {
      const left = readdirSync(join(place.folder, "tmp"));
      if (left.length > 0) violations.push(`left behind: ${left}`);
    }
    return [...violations, ...(await checkAll(store, place.told, tally))];
  } finally {
    await store.close();
  }
}

/** All that was told is there, and each blob has the bytes of its digest. */
async function checkAll(store: BlobStore, told: string, tally: BlobsTally): Promise<string[]> {
  const violations: string[] = [];
  const sound = new Set<string>();
  for await (const { digest, size } of store.list()) {
    const name = Buffer.from(digest).toString("hex");
    const bytes = await store.get(digest, size).catch((error: Error) => error);
    if (bytes instanceof Error) violations.push(`${name} of ${size} bytes can't be read: ${bytes.message}`);
    else if (!digestOf(bytes).equals(digest)) violations.push(`${name} has other bytes`);
    else sound.add(name);
  }
  const lines = readFileSync(told, "utf8").split("\n").slice(0, -1);
  for (const line of lines) {
    const { key }: ToldOfBlob = JSON.parse(line);
    if (!sound.has(digestOf(bytesOfKey(key)).toString("hex"))) violations.push(`lost: ${line}`);
  }
  tally.counts["told puts"] = Math.max(tally.counts["told puts"], lines.length);
  tally.counts.blobs = Math.max(tally.counts.blobs, sound.size);
  return violations;
}

async function run({
  seed,
  until,
  enough = Number.POSITIVE_INFINITY,
}: HarnessOptions): Promise<HarnessResult> {
  const tally = new BlobsTally();
  for (let i = 0; i < 2 || (Date.now() < until && tally.counts.kills < enough); i++)
    await blobsRound(seed + i, i % 2 === 0 ? "log" : "folder", 10, tally);
  return tally;
}

export const blobs: Harness = { name: "blobs", counted: "kills", run };

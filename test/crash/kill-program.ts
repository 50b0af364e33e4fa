/**
 * Opens a home and works in it until it is killed: by its own hand at a named point, or by the harness at a random
 * moment. What it was told it writes to a file right away: with write(2), so it is there whatever happens to this process.
 */
import { existsSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ArtifactStore } from "../../engine/api.ts";
import { openStore, VarveError } from "../../engine/main.ts";
import { Random } from "../helpers/random.ts";
import { openOverSeams } from "../helpers/seam-store.ts";
import { PACKS_SOON } from "./packing.ts";
import type { Aim } from "./points.ts";
import { takeAim } from "./points.ts";
import { filesWithPoints } from "./points-disk.ts";
import type { Doing } from "./points-list.ts";
import type { ValueKey } from "./values.ts";
import {
  giveUpSaving,
  keyOf,
  largeKey,
  largeTreeKey,
  plainKey,
  saveValue,
  treeKey,
  valueOfKey,
} from "./values.ts";

/** The argument, as JSON. */
export interface KillProgramOptions {
  home: string;
  /** Where it writes what it was told. */
  told: string;
  /** Not given twice: it is part of what is saved. */
  who: string;
  seed: number;
  durability: "durable" | "buffered";
  aim?: Aim;
  doing: Doing;
  /** When it ends by itself. */
  milliseconds: number;
  names: number;
  /** The index is not made anew but by what it is doing. */
  keepsIndex?: true;
}

/** A line of the file of what was told. */
export type Told =
  | { told: "saved"; ref: string; key: ValueKey }
  | { told: "deleting"; ref: string }
  | { told: "deleted"; ref: string }
  | { told: "aliasing"; name: string; alias: string; version: number }
  | { told: "aliased"; name: string; alias: string; version: number };

const SEGMENT_BYTES_MAX = 12_000;
/** Where large values are saved all the time: some chunks fit into a segment, and are written together. */
const SEGMENT_BYTES_MAX_OF_PARTS = 120_000;
/** Checkpoints come often, while others save. */
const CHECKPOINT_BATCHES_MIN = 10;
/** Others may be many, and the machine busy. */
const LOCK_WAIT_MILLISECONDS_MAX = 30_000;

/** One value in so many is a directory or large, one of those in so many is large, and one save of those in so many is given up. */
const PARTS_ONE_IN = 60;
const LARGE_ONE_IN = 6;
/** One process in so many packs the index where nobody writes for a moment, and for so long one pauses that is to do it. */
const PACKS_ONE_IN = 4;
const PACKING_MILLISECONDS = 30;
const GIVEN_UP_ONE_IN = 4;
/** So many bytes of one that is given up are taken, at most. */
const TAKEN_BYTES_MAX = 600_000;

const options: KillProgramOptions = JSON.parse(process.argv[2]!);
const random = new Random("kill", options.seed);
const file = openSync(options.told, "a", 0o600);
const until = Date.now() + options.milliseconds;
let count = 0;

const tell = (document: Told) => writeSync(file, `${JSON.stringify(document)}\n`);
const say = (word: string) => writeSync(1, `${word}\n`);

/** Whether to do now and then what makes the index anew. */
function remakes(oneIn: number): boolean {
  return random.below(oneIn) === 0 && !options.keepsIndex;
}

function open(): Promise<ArtifactStore> {
  const seams = {
    files: filesWithPoints,
    segmentBytesMax: options.doing === "parts" ? SEGMENT_BYTES_MAX_OF_PARTS : SEGMENT_BYTES_MAX,
    checkpointBatchesMin: CHECKPOINT_BATCHES_MIN,
    lockWaitMax: LOCK_WAIT_MILLISECONDS_MAX,
    minFreeSpace: 0,
    // Nobody waits long for others to let go of old files.
    times: { look: 20 },
    ...((options.doing === "pack" || remakes(PACKS_ONE_IN)) && { packing: PACKS_SOON }),
  };
  return openOverSeams(options.home, seams, options.durability);
}

/** Makes `config.json`, which only the public function does. */
async function configure(): Promise<void> {
  if (existsSync(join(options.home, "config.json"))) rmSync(join(options.home, "config.json"));
  const { home, durability } = options;
  await (await openStore({ home, durability, environment: false, minFreeSpace: 0 })).close();
}

async function save(store: ArtifactStore): Promise<void> {
  const name = `n${random.below(options.names)}`;
  if (random.below(options.doing === "parts" ? 3 : PARTS_ONE_IN) === 0) return saveInParts(store, name);
  const key = plainKey(random.below(25) === 0 ? 40_000 : random.below(600), newId());
  if (random.below(8) > 0) {
    const { ref } = await store.save(name, valueOfKey(key));
    tell({ told: "saved", ref, key });
    return;
  }
  const saved = await store.batch((batch) => {
    batch.save(name, valueOfKey(key));
    batch.save(`${name}/twin`, valueOfKey(key));
  });
  for (const { ref } of saved) tell({ told: "saved", ref, key });
}

/** A large value or a directory; sometimes once more, when the store has all of it. */
async function saveInParts(store: ArtifactStore, name: string): Promise<void> {
  const key = keyInParts();
  if (random.below(GIVEN_UP_ONE_IN) === 0)
    return giveUpSaving(store, name, key, random.below(TAKEN_BYTES_MAX), newFolder());
  for (const each of random.below(2) === 0 ? [name] : [name, `${name}/twin`]) {
    const { ref } = await saveValue(store, each, key, {}, newFolder());
    tell({ told: "saved", ref, key });
  }
}

/** They are large more often where nothing else is done. */
function keyInParts(): ValueKey {
  const id = newId();
  if (random.below(options.doing === "parts" ? 3 : LARGE_ONE_IN) > 0) return treeKey(id);
  return random.below(3) === 0 ? largeTreeKey(id) : largeKey(id);
}

const newId = (): string => `${options.who}-${count++}`;
const newFolder = (): string => `${options.home}-files-${newId()}`;

/** What nobody else touches, so that the checker knows what it must be. */
async function changeOwn(store: ArtifactStore): Promise<void> {
  const name = `own-${options.who}`;
  const isInParts = random.below(options.doing === "compact" ? 3 : 12) === 0;
  const key = isInParts ? keyInParts() : plainKey(10, newId());
  const { ref, version } = await saveValue(store, name, key, {}, newFolder());
  const alias = { name, alias: "newest", version };
  tell({ told: "aliasing", ...alias });
  await store.setAlias(name, "newest", version);
  tell({ told: "aliased", ...alias });
  if (version === 0) return;
  const before = `${name}:${version - 1}`;
  tell({ told: "deleting", ref: before });
  await store.delete(before);
  tell({ told: "deleted", ref: before });
  if ((await keyOf(await store.load(ref))) !== key) throw new Error(`${ref} is not what was just saved`);
}

/** Something to move, and to leave out, each time. */
async function compact(store: ArtifactStore): Promise<void> {
  for (let i = 0; i < 3; i++) await changeOwn(store);
  try {
    await store.compact(random.below(3) === 0 ? { historyBefore: 2 ** 40 } : {});
  } catch (error) {
    // Another writer compacts.
    if (!(error instanceof VarveError) || error.code !== "CONFLICT") throw error;
  }
}

async function work(store: ArtifactStore): Promise<void> {
  const { doing } = options;
  const bursts = doing === "close" || doing === "open" ? 1 : 1 + random.below(6);
  for (let burst = 0; burst < bursts; burst++) {
    await Promise.all(Array.from({ length: 1 + random.below(6) }, () => save(store)));
    if (random.below(4) === 0) await changeOwn(store);
    if (doing === "compact" || remakes(12)) await compact(store);
    if (doing === "backup") await store.backup(`${options.home}-backup-${options.who}`);
    if (doing === "rebuild" || remakes(20)) await store.rebuildIndex();
    if (doing === "pack") await sleep(PACKING_MILLISECONDS);
    if (random.below(3) === 0) await sleep(random.below(10));
  }
}

takeAim(options.aim, (point) => say(`at ${point}`));
say("ready");
while (Date.now() < until) {
  if (options.doing === "config") await configure();
  const store = await open();
  do {
    await work(store);
  } while (options.doing === "save" && random.below(4) > 0 && Date.now() < until);
  await store.close();
}
say("done");

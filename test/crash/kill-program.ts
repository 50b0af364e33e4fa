/**
 * Opens a home and works in it until it is killed: by its own hand at a named point, or by the harness at a random
 * moment. What it was told it writes to a file right away: with write(2), so it is there whatever happens to this process.
 */
import { existsSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { ArtifactStore } from "../../engine/api.ts";
import { openStore, VarveError } from "../../engine/main.ts";
import { Random } from "../helpers/random.ts";
import { openOverSeams } from "../helpers/seam-store.ts";
import type { Aim } from "./points.ts";
import { takeAim } from "./points.ts";
import { filesWithPoints } from "./points-disk.ts";
import type { Doing } from "./points-list.ts";

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
}

/** A line of the file of what was told. */
export type Told =
  | { told: "saved"; ref: string; id: string; length: number }
  | { told: "deleting"; ref: string }
  | { told: "deleted"; ref: string }
  | { told: "aliasing"; name: string; alias: string; version: number }
  | { told: "aliased"; name: string; alias: string; version: number };

const SEGMENT_BYTES_MAX = 12_000;
/** Checkpoints come often, while others save. */
const CHECKPOINT_BATCHES_MIN = 10;
/** Others may be many, and the machine busy. */
const LOCK_WAIT_MILLISECONDS_MAX = 30_000;

const options: KillProgramOptions = JSON.parse(process.argv[2]!);
const random = new Random("kill", options.seed);
const file = openSync(options.told, "a", 0o600);
const until = Date.now() + options.milliseconds;
let count = 0;

const tell = (document: Told) => writeSync(file, `${JSON.stringify(document)}\n`);
const say = (word: string) => writeSync(1, `${word}\n`);

function open(): Promise<ArtifactStore> {
  const seams = {
    files: filesWithPoints,
    segmentBytesMax: SEGMENT_BYTES_MAX,
    checkpointBatchesMin: CHECKPOINT_BATCHES_MIN,
    lockWaitMax: LOCK_WAIT_MILLISECONDS_MAX,
    minFreeSpace: 0,
    // Nobody waits long for others to let go of old files.
    times: { look: 20 },
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
  const id = `${options.who}-${count++}`;
  const value = { id, text: "x".repeat(random.below(25) === 0 ? 40_000 : random.below(600)) };
  if (random.below(8) > 0) {
    const { ref } = await store.save(name, value);
    tell({ told: "saved", ref, id, length: value.text.length });
    return;
  }
  const saved = await store.batch((batch) => {
    batch.save(name, value);
    batch.save(`${name}/twin`, value);
  });
  for (const { ref } of saved) tell({ told: "saved", ref, id, length: value.text.length });
}

/** What nobody else touches, so that the checker knows what it must be. */
async function changeOwn(store: ArtifactStore): Promise<void> {
  const name = `own-${options.who}`;
  const { ref, version } = await store.save(name, count++);
  const alias = { name, alias: "newest", version };
  tell({ told: "aliasing", ...alias });
  await store.setAlias(name, "newest", version);
  tell({ told: "aliased", ...alias });
  if (version === 0) return;
  const before = `${name}:${version - 1}`;
  tell({ told: "deleting", ref: before });
  await store.delete(before);
  tell({ told: "deleted", ref: before });
  if ((await store.load(ref)) !== count - 1) throw new Error(`${ref} is not what was just saved`);
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
    if (doing === "compact" || random.below(12) === 0) await compact(store);
    if (doing === "backup") await store.backup(`${options.home}-backup-${options.who}`);
    if (random.below(doing === "rebuild" ? 1 : 20) === 0) await store.rebuildIndex();
    if (random.below(3) === 0) await new Promise((resolve) => setTimeout(resolve, random.below(10)));
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

/** What the child processes of the space benchmark do. */

import { readdirSync } from "node:fs";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { Encoder } from "cbor-x";
import { latencyOf } from "../../cli/bench/statistics.ts";
import { type Entry, EntrySource, randomFrom } from "../../cli/bench/values.ts";
import { loadLibrary } from "../../cli/library.ts";
import { runTask } from "../child-process.ts";
import type { SpaceTask } from "../task.ts";
import type { Loads, Saves, Sizes, SpaceFigures } from "./figures.ts";

/** Saves in flight, and deletions of one batch. */
const CALLERS = 1_000;
/** Versions of one name. */
const VERSIONS = 1_000;
/** Of so many versions one is deleted before each compaction, from another place on. */
const PARTS = 3;
const PLANS = 5;
/** By such parts of what is there it grows behind the packing of its index. */
const PARTS_BEHIND = [0.01, 0.05, 0.2];
/** A smaller index is left as it is, and slower than this it would be given up. */
const PACKED_BYTES_MIN = 4 * 1024 * 1024;
const PACKED_PER_SECOND_MIN = 10_000;

type Store = Awaited<ReturnType<Awaited<ReturnType<typeof loadLibrary>>["openStore"]>>;

const nameOf = (index: number) => `model/${Math.floor(index / VERSIONS)}`;
const refOf = (index: number) => `${nameOf(index)}:${index % VERSIONS}`;

async function open(home: string): Promise<Store> {
  const { openStore } = await loadLibrary();
  return openStore({ home, environment: false });
}

/** From this number on they take the same bytes. */
const FIRST_RUN = 2 ** 16;
const ROOM_BYTES = 8;
/** Maps as varve writes them. */
const encoder = new Encoder({ useRecords: false, variableMapSize: true });

/** Makes values that are a few bytes too short take exactly so many. */
function pad(entries: readonly Entry[], bytes: number): void {
  for (const { value } of entries)
    value.notes += " ".repeat(Math.max(0, bytes - encoder.encode(value).length));
}

/** Saves a store's artifacts, some at a time. */
class Filling {
  readonly #store: Store;
  readonly #task: SpaceTask;
  readonly #entries: EntrySource;
  #saved = 0;

  constructor(store: Store, task: SpaceTask) {
    this.#store = store;
    this.#task = task;
    this.#entries = new EntrySource(
      { seed: task.seed, bytes: task.bytes - ROOM_BYTES },
      { first: FIRST_RUN },
    );
  }

  /** Until there is such a part of those that were asked for, which may be more than all. */
  async saveTo(part: number): Promise<Saves> {
    const { bytes, count } = this.#task;
    const from = this.#saved;
    const times = { clock: 0, processor: 0 };
    for (const some of this.#entries.takeInParts(Math.round(part * count) - from)) {
      pad(some, bytes);
      const [clock, used] = [performance.now(), process.cpuUsage()];
      await Promise.all(some.map(({ value }) => this.#store.save(nameOf(this.#saved++), value)));
      times.clock += (performance.now() - clock) * 1_000;
      const { user, system } = process.cpuUsage(used);
      times.processor += user + system;
    }
    const saves = Math.max(1, this.#saved - from);
    return {
      ...{ from: from / count, to: part, time: times.clock / saves, processor: times.processor / saves },
      sizes: await sizesOf(this.#store, this.#saved),
    };
  }
}

async function fill(task: SpaceTask): Promise<Pick<SpaceFigures, "saved" | "rested" | "saves">> {
  const store = await open(task.folder);
  const filling = new Filling(store, task);
  await filling.saveTo(1 - PARTS_BEHIND.at(-1)!);
  const saves = [await filling.saveTo(1)];
  const saved = saves[0]!.sizes;
  const isPacked = saved.indexBytes >= PACKED_BYTES_MIN && (await isPackedByItself(task));
  const rested = isPacked ? await sizesOf(store, task.count) : undefined;
  for (const part of PARTS_BEHIND) saves.push(await filling.saveTo(1 + part));
  await store.close();
  return { saved, rested, saves };
}

/** Whether the index was packed by itself, which is begun five to ten seconds behind the last save. */
async function isPackedByItself({ folder, secondsMax, count }: SpaceTask): Promise<boolean> {
  const generations = () => readdirSync(folder).filter((name) => name.startsWith("index-"));
  const before = new Set(generations());
  const end = performance.now() + Math.min(secondsMax, 20 + count / PACKED_PER_SECOND_MIN) * 1_000;
  while (performance.now() < end) {
    const now = generations();
    if (now.length === 1 && !before.has(now[0]!)) return true;
    await sleep(200);
  }
  return false;
}

async function deletePart(store: Store, count: number, part: number): Promise<void> {
  const refs: string[] = [];
  for (let i = part; i < count; i += PARTS) refs.push(refOf(i));
  while (refs.length > 0) {
    const some = refs.splice(-CALLERS);
    await store.batch((batch) => {
      for (const ref of some) batch.delete(ref);
    });
  }
}

/** Loads of versions that nobody deletes, one a turn, until `until` says so. */
async function loadWhile(store: Store, { count, seed }: SpaceTask, goesOn: () => boolean): Promise<Loads> {
  const random = randomFrom(seed);
  const durations: number[] = [];
  const begin = performance.now();
  while (goesOn()) {
    const index = Math.floor((random() * count) / PARTS) * PARTS;
    const called = performance.now();
    await nextTurn();
    await store.load(refOf(Math.min(index, count - 1)));
    durations.push(performance.now() - called);
  }
  const seconds = (performance.now() - begin) / 1_000;
  return { latency: latencyOf(durations), loads: durations.length, seconds };
}

async function loadDuring(store: Store, task: SpaceTask, compacting: Promise<unknown>): Promise<Loads> {
  let isOver = false;
  const over = compacting.finally(() => (isOver = true));
  const loads = await loadWhile(store, task, () => !isOver);
  await over;
  return loads;
}

async function sizesOf(store: Store, artifacts: number): Promise<Sizes> {
  const { valueBytes, blobBytes, logBytes, indexBytes } = await store.stats();
  return { artifacts, valueBytes, blobBytes, logBytes, indexBytes };
}

async function measure(task: SpaceTask): Promise<SpaceFigures> {
  const { folder, count, secondsMax } = task;
  const filled = await fill(task);
  const store = await open(folder);
  await store.compact();
  const compacted = await sizesOf(store, filled.saves.at(-1)!.sizes.artifacts);
  const plans: number[] = [];
  let planned = 0;
  for (let i = 0; i < PLANS; i++) {
    const begin = performance.now();
    planned = (await store.prune({ keepLast: VERSIONS / 2 }, { dryRun: true })).versions.length;
    plans.push((performance.now() - begin) / 1_000);
  }
  const until =
    (seconds: number, end = performance.now() + seconds * 1_000) =>
    () =>
      performance.now() < end;
  await loadWhile(store, task, until(1));
  const idle = await loadWhile(store, task, until(3));
  await deletePart(store, count, 1);
  const same = await loadDuring(store, task, store.compact());
  const before = (await store.stats()).logBytes;
  await deletePart(store, count, 2);
  const options = { script: process.argv[1]!, secondsMax, signal: new AbortController().signal };
  const compacting = runTask({ ...task, step: "compact" }, options).then((answer) => {
    if (answer.kind === "failed") throw new Error(answer.message);
  });
  const other = await loadDuring(store, task, compacting);
  const freedBytes = before - (await store.stats()).logBytes;
  await store.close();
  return { ...filled, compacted, plans, planned, idle, same, other, freedBytes };
}

/** Nothing is measured in the process that only compacts. */
export async function measureSpace(task: SpaceTask): Promise<SpaceFigures | undefined> {
  if (task.step === "measure") return measure(task);
  const store = await open(task.folder);
  await store.compact();
  await store.close();
  return undefined;
}

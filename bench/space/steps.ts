/** What the child processes of the space benchmark do. */

import { setImmediate as nextTurn } from "node:timers/promises";
import { Encoder } from "cbor-x";
import { latencyOf } from "../../cli/bench/statistics.ts";
import { type Entry, EntrySource, randomFrom } from "../../cli/bench/values.ts";
import { loadLibrary } from "../../cli/library.ts";
import { runTask } from "../child-process.ts";
import type { SpaceTask } from "../task.ts";
import type { Loads, Sizes, SpaceFigures } from "./figures.ts";

/** Saves in flight, and deletions of one batch. */
const CALLERS = 1_000;
/** Versions of one name. */
const VERSIONS = 1_000;
/** Of so many versions one is deleted before each compaction, from another place on. */
const PARTS = 3;
const PLANS = 5;

type Store = Awaited<ReturnType<Awaited<ReturnType<typeof loadLibrary>>["openStore"]>>;

const refOf = (index: number) => `model/${Math.floor(index / VERSIONS)}:${index % VERSIONS}`;

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

async function fill(store: Store, task: SpaceTask): Promise<void> {
  const { seed, bytes, count } = task;
  const entries = new EntrySource({ seed, bytes: bytes - ROOM_BYTES }, { first: FIRST_RUN });
  let saved = 0;
  for (const some of entries.takeInParts(count)) {
    pad(some, bytes);
    await Promise.all(some.map(({ value }) => store.save(refOf(saved++).replace(/:\d+$/, ""), value)));
  }
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

async function sizesOf(store: Store): Promise<Sizes> {
  const { valueBytes, blobBytes, logBytes, indexBytes } = await store.stats();
  return { valueBytes, blobBytes, logBytes, indexBytes };
}

async function measure(task: SpaceTask): Promise<SpaceFigures> {
  const { folder, count, secondsMax } = task;
  const filled = await open(folder);
  await fill(filled, task);
  await filled.close();
  const store = await open(folder);
  const saved = await sizesOf(store);
  await store.compact();
  const compacted = await sizesOf(store);
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
  return { saved, compacted, plans, planned, idle, same, other, freedBytes };
}

/** Nothing is measured in the process that only compacts. */
export async function measureSpace(task: SpaceTask): Promise<SpaceFigures | undefined> {
  if (task.step === "measure") return measure(task);
  const store = await open(task.folder);
  await store.compact();
  await store.close();
  return undefined;
}

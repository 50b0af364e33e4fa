/** What the child processes of the recovery benchmark do: each step in a process of its own. */

import { mkdtemp, rm } from "node:fs/promises";
import type { Measurement } from "../../cli/bench/measure.ts";
import { EntrySource, nameOf } from "../../cli/bench/values.ts";
import { loadLibrary } from "../../cli/library.ts";
import type { RecoveryTask } from "../task.ts";

type Store = Awaited<ReturnType<Awaited<ReturnType<typeof loadLibrary>>["openStore"]>>;

async function openPlain(home: string): Promise<Store> {
  const { openStore } = await loadLibrary();
  // What is measured is the store, not git and the packages around the process.
  return openStore({ home, environment: false });
}

/** With as many saves in flight as come in a part. */
async function saveMany(store: Store, { seed, bytes, first, count }: RecoveryTask): Promise<void> {
  for (const some of new EntrySource({ seed, bytes }, { first }).takeInParts(count))
    await Promise.all(some.map(({ name, value }) => store.save(name, value)));
}

async function fill(task: RecoveryTask): Promise<number> {
  const store = await openPlain(task.folder);
  const begin = performance.now();
  await saveMany(store, task);
  const end = performance.now();
  await store.close();
  return end - begin;
}

async function rebuild(task: RecoveryTask): Promise<number> {
  const store = await openPlain(task.folder);
  const begin = performance.now();
  await store.rebuildIndex();
  const end = performance.now();
  await store.close();
  return end - begin;
}

/** An index that was just made has none: the next save sees to that, and closing waits for it. In a process of its own, since the copy is mapped. */
async function checkpoint(task: RecoveryTask): Promise<number> {
  const begin = performance.now();
  const store = await openPlain(task.folder);
  await store.save("recovery/marker", 1);
  await store.close();
  return performance.now() - begin;
}

async function open(task: RecoveryTask): Promise<number> {
  // Loading the code is a matter of Node.js.
  const scratch = await mkdtemp(`${task.folder}-scratch-`);
  await (await openPlain(scratch)).close();
  await rm(scratch, { recursive: true, force: true });
  const begin = performance.now();
  const store = await openPlain(task.folder);
  await store.load(nameOf(0));
  return performance.now() - begin;
}

/** The kill meets saves in flight. */
async function writeUntilKilled(task: RecoveryTask): Promise<undefined> {
  const store = await openPlain(task.folder);
  await saveMany(store, task);
  void saveMany(store, { ...task, first: task.first + task.count, count: Number.POSITIVE_INFINITY });
}

/** Milliseconds of what is measured. */
const steps = { fill, rebuild, checkpoint, open };

/** What was measured; nothing for a writer that has saved enough for being killed. */
export async function recover(task: RecoveryTask): Promise<Measurement | undefined> {
  if (task.step === "write") return writeUntilKilled(task);
  const milliseconds = await steps[task.step](task);
  return { operations: task.count, seconds: milliseconds / 1_000 };
}

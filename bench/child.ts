/** A child process: does one task and answers it. Each measurement has a process of its own, so none runs on code or a heap that another shaped. */

import { mkdtemp, rm } from "node:fs/promises";
import { packageLoader } from "../cli/bench/packages.ts";
import type { OpenSubject } from "../cli/bench/subject.ts";
import { subjects } from "../cli/bench/subjects.ts";
import { EntrySource } from "../cli/bench/values.ts";
import { measureLarge } from "./large/steps.ts";
import { recover } from "./recovery/steps.ts";
import { measureSpace } from "./space/steps.ts";
import type { Answer, Memory, Task } from "./task.ts";
import type { Situation } from "./workload.ts";
import { workloads } from "./workloads.ts";

const FILL_ENTRIES = 1_000;
/** A writer that is to be killed has saved so many before. */
const WRITTEN_ENTRIES = 2_000;

function openSubject(name: string, folder: string): Promise<OpenSubject> {
  const subject = subjects.find((each) => each.name === name);
  if (!subject) throw new Error(`there is no subject ${name}`);
  return subject.open(folder, packageLoader(process.cwd()));
}

async function fill({ subject, folder, filled, seed, bytes }: Task): Promise<void> {
  const opened = await openSubject(subject, folder);
  const entries = new EntrySource({ seed, bytes });
  for (let left = filled; left > 0; left -= FILL_ENTRIES) {
    await opened.fill(entries.take(Math.min(left, FILL_ENTRIES)));
  }
  await opened.close();
}

async function writeUntilKilled({ subject, folder, filled, seed, bytes }: Task): Promise<never> {
  const opened = await openSubject(subject, folder);
  const entries = new EntrySource({ seed, bytes }, { first: filled });
  for (let written = 0; ; ) {
    const some = entries.take(100);
    await Promise.all(some.map(({ name, value }) => opened.save(name, value)));
    const before = written;
    written += some.length;
    if (before < WRITTEN_ENTRIES && written >= WRITTEN_ENTRIES) await answer({ kind: "written" });
  }
}

async function measure(task: Task & { kind: "measure" }): Promise<Answer> {
  const { subject, folder, filled, seed, bytes, seconds } = task;
  const workload = workloads.find(({ name }) => name === task.workload);
  if (!workload) throw new Error(`there is no workload ${task.workload}`);
  const scratch = await mkdtemp(`${folder}-scratch-`);
  const situation: Situation = {
    seed,
    bytes,
    filled,
    bounds: { seconds, operations: Number.POSITIVE_INFINITY },
    open: () => openSubject(subject, folder),
    openScratch: () => openSubject(subject, scratch),
    entries: (options) => new EntrySource({ seed, bytes }, { first: filled, ...options }),
  };
  try {
    return { kind: "done", measurement: await workload.run(situation), memory: memoryNow() };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function memoryNow(): Memory {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return { residentMax: process.resourceUsage().maxRSS * 1024, heap: heapUsed, external };
}

async function perform(task: Task): Promise<Answer> {
  if (task.kind === "measure") return measure(task);
  if (task.kind === "write") return writeUntilKilled(task);
  if (task.kind === "recover") {
    const measurement = await recover(task);
    return measurement ? { kind: "done", measurement, memory: memoryNow() } : { kind: "written" };
  }
  if (task.kind === "space") {
    const space = await measureSpace(task);
    return { kind: "done", ...(space && { space }), memory: memoryNow() };
  }
  if (task.kind === "large") return { kind: "done", large: await measureLarge(task), memory: memoryNow() };
  await fill(task);
  return { kind: "done", memory: memoryNow() };
}

function answer(message: Answer): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send!(message, (error: Error | null) => (error ? reject(error) : resolve()));
  });
}

process.once("message", async (task: Task) => {
  try {
    await answer(await perform(task));
    if (task.kind === "recover" && task.step === "open") process.exit();
  } catch (error) {
    await answer({ kind: "failed", message: String((error as Error).stack ?? error) });
  }
  process.disconnect();
});

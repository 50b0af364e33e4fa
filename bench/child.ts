/** A child process: does one task and answers it. Each measurement has a process of its own, so none runs on code or a heap that another shaped. */

import { on, once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { packageLoader } from "../cli/bench/packages.ts";
import type { OpenSubject } from "../cli/bench/subject.ts";
import { EntrySource, nameOf } from "../cli/bench/values.ts";
import { runTogether } from "./child-process.ts";
import { Slices } from "./gate/slices.ts";
import { measureLarge } from "./large/steps.ts";
import { measureMetadataStep } from "./metadata/steps.ts";
import { measureMlflowStep } from "./mlflow/steps.ts";
import { recover } from "./recovery/steps.ts";
import { measured } from "./references.ts";
import { playRole } from "./roles.ts";
import { measureSpace } from "./space/steps.ts";
import type { Answer, MeasureTask, Memory, Role, RoleTask, SlicesTask, Task } from "./task.ts";
import type { Part, Situation, Workload } from "./workload.ts";
import { workloads } from "./workloads.ts";

/** A writer that is to be killed has saved so many before. */
const WRITTEN_ENTRIES = 2_000;
/** Numbers of the entries of one writer, of several. */
const WRITER_ENTRIES = 2_000_000;

function openSubject(name: string, folder: string): Promise<OpenSubject> {
  const subject = measured.find((each) => each.name === name);
  if (!subject) throw new Error(`there is no subject ${name}`);
  return subject.open(folder, packageLoader(process.cwd()));
}

async function fill(task: MeasureTask): Promise<void> {
  const { subject, folder, filled, seed, bytes } = task;
  const opened = await openSubject(subject, folder);
  if (task.workload !== undefined) {
    await workloadOf(task.workload).filling!.run(opened, situationOf({ ...task, first: 0 }, folder));
  } else {
    for (const some of new EntrySource({ seed, bytes }).takeInParts(filled)) await opened.fill(some);
  }
  await opened.close();
}

async function writeUntilKilled({
  subject,
  folder,
  first,
  seed,
  bytes,
}: Task & { kind: "write" }): Promise<never> {
  const opened = await openSubject(subject, folder);
  const entries = new EntrySource({ seed, bytes }, { first });
  for (let written = 0; ; ) {
    const some = entries.take(100);
    await Promise.all(some.map(({ name, value }) => opened.save(name, value)));
    const before = written;
    written += some.length;
    if (before < WRITTEN_ENTRIES && written >= WRITTEN_ENTRIES) await answer({ kind: "written" });
  }
}

function workloadOf(name: string | undefined): Workload {
  const workload = workloads.find((each) => each.name === name);
  if (!workload) throw new Error(`there is no workload ${name}`);
  return workload;
}

function situationOf(task: MeasureTask, scratch: string): Situation {
  const { subject, folder, filled, artifacts, largeBytes, first, seed, bytes, seconds } = task;
  return {
    ...{ seed, bytes, filled, artifacts, largeBytes, subject, folder },
    bounds: { seconds, operations: Number.POSITIVE_INFINITY },
    open: () => openSubject(subject, folder),
    openScratch: () => openSubject(subject, scratch),
    entries: (options) => new EntrySource({ seed, bytes }, { first, ...options }),
    inProcesses: (roles) => inProcesses(task, roles),
  };
}

async function measure(task: MeasureTask): Promise<Answer> {
  const workload = workloadOf(task.workload);
  const scratch = await mkdtemp(`${task.folder}-scratch-`);
  try {
    const { residentMax, ...measurement } = await workload.run(situationOf(task, scratch));
    const memory = memoryNow();
    if (residentMax !== undefined) memory.residentMax = residentMax;
    return { kind: "done", measurement, memory };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function inProcesses(task: MeasureTask, roles: readonly Role[]): Promise<Part[]> {
  const { subject, folder, filled, seed, bytes, first, seconds, secondsMax } = task;
  const tasks = roles.map(
    (role, at): RoleTask => ({
      ...{ kind: "role", role, subject, folder, filled, seed: seed + at, bytes, seconds },
      first: first + at * WRITER_ENTRIES,
    }),
  );
  const signal = new AbortController().signal;
  const answers = await runTogether(tasks, { script: process.argv[1]!, secondsMax, signal });
  return answers.map((each, at) => {
    if (each.kind === "failed") throw new Error(each.message);
    if (each.kind !== "done" || !each.measurement) throw new Error(`answered ${each.kind}`);
    return { role: roles[at]!, measurement: each.measurement, residentMax: each.memory.residentMax };
  });
}

async function answerSlices(task: SlicesTask): Promise<never> {
  process.once("disconnect", () => process.exit());
  const { subject, folder, seed, bytes, filled } = task;
  const scratch = await mkdtemp(`${folder}-scratch-`);
  const slices = new Slices(await openSubject(subject, folder), await openSubject(subject, scratch), {
    ...{ seed, bytes, filled },
  });
  const questions = on(process, "message");
  await answer({ kind: "ready" });
  for await (const [name] of questions)
    await answer({ kind: "done", measurement: await slices.next(name), memory: memoryNow() });
  throw new Error("nobody asks any more");
}

/** What has no figures of its own gives none. */
async function sizesOf({ subject, folder }: Task): Promise<Answer> {
  const opened = await openSubject(subject, folder);
  const sizes = await opened.sizes?.();
  await opened.close();
  return { kind: "done", ...(sizes && { sizes }), memory: memoryNow() };
}

async function performRole(task: RoleTask): Promise<Answer> {
  const { role, subject, folder, filled, seed, bytes, first, seconds } = task;
  // Whoever asked may be killed, which ends this one too.
  process.once("disconnect", () => process.exit());
  const opened = await openSubject(subject, folder);
  await opened.load(nameOf(0));
  const entries = new EntrySource({ seed, bytes }, { first });
  const go = once(process, "message");
  await answer({ kind: "ready" });
  await go;
  const bounds = { seconds, operations: Number.POSITIVE_INFINITY };
  const measurement = await playRole(role, opened, bounds, { filled, seed, entries });
  await opened.close();
  return { kind: "done", measurement, memory: memoryNow() };
}

function memoryNow(): Memory {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return { residentMax: process.resourceUsage().maxRSS * 1024, heap: heapUsed, external };
}

async function perform(task: Task): Promise<Answer> {
  if (task.kind === "slices") return answerSlices(task);
  if (task.kind === "role") return performRole(task);
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
  if (task.kind === "sizes") return sizesOf(task);
  if (task.kind === "large") return { kind: "done", large: await measureLarge(task), memory: memoryNow() };
  if (task.kind === "metadata")
    return { kind: "done", metadata: await measureMetadataStep(task), memory: memoryNow() };
  if (task.kind === "mlflow")
    return { kind: "done", mlflow: await measureMlflowStep(task), memory: memoryNow() };
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

import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import type { LockTimes } from "../../engine/index/openers.ts";
import { newFolder } from "../helpers/folders.ts";
import { Program } from "../helpers/processes.ts";
import { closeStores, openSeamStore } from "../helpers/stores.ts";

export const COUNT = 24;
export const SEGMENT_BYTES = 16 * 1024;

/** Long enough for a process on a busy machine; where something is waited for in vain, a shorter time will do. */
export const LONG = 15_000;
export const SHORT = 400;
export const OFTEN: Partial<LockTimes> = { look: 50, beat: 100 };
export const value = (i: number) => `${i} `.repeat(700);
export const refs = (from = 0, to = COUNT) => Array.from({ length: to - from }, (_, i) => name(from + i));
export const name = (i: number) => `n${String(i).padStart(2, "0")}:0`;

export async function fill(home: string): Promise<ArtifactStore> {
  const store = await openSeamStore(home, { segmentBytesMax: SEGMENT_BYTES, times: OFTEN }, "buffered");
  for (let i = 0; i < COUNT; i++)
    await store.save(name(i).slice(0, 3), value(i), { metadata: { text: "m".repeat(300) } });
  return store;
}

/** A home of several segments that nobody has open. */
export async function filledHome(): Promise<string> {
  const home = newFolder();
  await fill(home);
  await closeStores();
  return home;
}

export async function reader(home: string, options: object = {}, thread = false): Promise<Program> {
  const all = { segmentBytesMax: SEGMENT_BYTES, times: OFTEN, ...options };
  const args = [home, JSON.stringify(all), ...(thread ? ["thread"] : [])];
  const program = new Program("../engine/lease-reader.ts", args);
  await program.expect();
  return program;
}

export async function compactor(home: string, times: Partial<LockTimes> = {}): Promise<Program> {
  const program = new Program("../engine/lease-compactor.ts", [home, JSON.stringify(times)]);
  await program.expect();
  return program;
}

/** What it answers without an error. */
export async function ask(program: Program, line: string): Promise<unknown> {
  const answer = await program.ask(line);
  assert.is(answer.code, undefined, answer.message);
  return answer.value;
}

export const acknowledged = (program: Program, milliseconds: number) =>
  program.ask(`acknowledged ${milliseconds}`) as Promise<boolean>;

export async function checkLoads(program: Program): Promise<void> {
  for (let i = 0; i < COUNT; i++) assert.is(await ask(program, `load ${name(i)}`), value(i), name(i));
}

/** The next of a list, all of it. */
export async function checkNext(program: Program, line: string, i: number): Promise<void> {
  assert.equal(await ask(program, line), [name(i), value(i), 1]);
}

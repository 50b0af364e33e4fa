import assert from "node:assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { ArtifactStore, StoreOptions } from "../../engine/api.ts";
import { familyOf } from "../../engine/artifact-key.ts";
import { encodeValue } from "../../engine/codec/cbor.ts";
import { VarveError } from "../../engine/errors.ts";
import { openEngine } from "../../engine/key-value.ts";
import type { Engine, EngineOptions } from "../../engine/key-value-api.ts";
import { openStore } from "../../engine/main.ts";
import { openCore } from "../../engine/open.ts";

const givenSeed = process.env.VARVE_TEST_SEED;
export const seed = givenSeed === undefined ? Math.floor(Math.random() * 0x7fff_ffff) : Number(givenSeed);
console.log(`model tests: VARVE_TEST_SEED=${seed}`);

/** How fast-check runs a property here: `VARVE_TEST_RUNS` replaces the number of runs. */
export function parameters(numRuns: number) {
  return { seed, numRuns: Number(process.env.VARVE_TEST_RUNS ?? numRuns), includeErrorInReport: true };
}

const folders: string[] = [];
const open = new Set<{ close(): Promise<void> }>();

export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "varve-model-"));
  folders.push(folder);
  return folder;
}

/** Notes what `cleanUp` is to close. */
export function toClose<T extends { close(): Promise<void> }>(thing: T): T {
  open.add(thing);
  return thing;
}

export async function openTestStore(home: string, options: StoreOptions = {}): Promise<ArtifactStore> {
  return toClose(await openStore({ home, durability: "buffered", environment: false, ...options }));
}

export async function openTestEngine(folder: string, options: EngineOptions = {}): Promise<Engine> {
  return toClose(await openEngine(folder, { durability: "buffered", ...options }));
}

/** The first to open a home in a process decides on its settings: whoever opens it later gets segments of this size. */
export async function useSmallSegments(
  folder: string,
  application: "artifact" | "keyvalue",
  segmentBytesMax: number,
  clock?: () => Date,
): Promise<{ close(): Promise<void> }> {
  const families = application === "artifact" ? { familyOf } : {};
  const handle = await openCore(folder, {
    application,
    segmentBytesMax,
    ...families,
    ...(clock && { clock }),
  });
  return toClose(once(handle));
}

function once({ release }: { release(): Promise<void> }): { close(): Promise<void> } {
  let closing: Promise<void> | undefined;
  return {
    close: () => {
      closing ??= release();
      return closing;
    },
  };
}

/** For `after.each`. */
export async function cleanUp(): Promise<void> {
  const all = [...open];
  open.clear();
  for (const thing of all) await thing.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

/** Equal in kinds, prototypes, `-0`, and in the order of keys, entries and members, which node's comparison ignores. */
export function assertSame(actual: unknown, expected: unknown, what: string): void {
  assert.ok(isDeepStrictEqual(actual, expected), `${what}: not the same value`);
  assert.ok(Buffer.from(encodeValue(actual)).equals(encodeValue(expected)), `${what}: in another order`);
}

/** What a call came to: its result, or the code of the `VarveError` that it was rejected with. */
export type Outcome = { result: unknown } | { code: string };

export async function outcomeOf(call: () => Promise<unknown> | unknown): Promise<Outcome> {
  try {
    return { result: await call() };
  } catch (error) {
    if (error instanceof VarveError) return { code: error.code };
    throw error;
  }
}

/** What a model throws where the store must reject with the same code. */
export class Refused extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

export function modelOutcome(call: () => unknown): Outcome {
  try {
    return { result: call() };
  } catch (error) {
    if (error instanceof Refused) return { code: error.code };
    throw error;
  }
}

export async function collect<T>(items: AsyncIterable<T>, most = Number.POSITIVE_INFINITY): Promise<T[]> {
  const collected: T[] = [];
  if (most === 0) return collected;
  for await (const item of items) {
    collected.push(item);
    if (collected.length >= most) break;
  }
  return collected;
}

/** -1, 0 or 1 by code points: what UTF-16 units disagree with beyond the basic plane. */
export function compareText(a: string, b: string): number {
  const left = Array.from(a, (character) => character.codePointAt(0)!);
  const right = Array.from(b, (character) => character.codePointAt(0)!);
  return compareLists(left, right, (x, y) => Math.sign(x - y));
}

export function compareLists<T>(a: readonly T[], b: readonly T[], compare: (x: T, y: T) => number): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = compare(a[i]!, b[i]!);
    if (order !== 0) return order;
  }
  return Math.sign(a.length - b.length);
}

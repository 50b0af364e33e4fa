/**
 * Checks homes, one after another as its input says, against what their writers were told. Others may go on writing
 * meanwhile: what they are told after the beginning of a check is not asked for.
 */
import { appendFileSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { ArtifactStore } from "../../engine/api.ts";
import { openStore, VarveError } from "../../engine/main.ts";
import type { Told } from "./kill-program.ts";
import { leftovers, leftoversOfNothing } from "./leftovers.ts";
import type { ValueKey } from "./values.ts";
import { keyOf } from "./values.ts";

/** A line of the input. */
export interface CheckRequest {
  home: string;
  told: string;
  rebuild: boolean;
  /** Whether everybody is gone for good: then it is compacted, and all is deleted in the end. */
  isLast?: boolean;
}

/** The answer. */
export interface CheckAnswer {
  violations: string[];
  versions: number;
  told: number;
}

const SHOWN_MAX = 10;

function readTold(path: string): Told[] {
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Told);
}

/** The key of the value, or what came instead. */
async function loaded(store: ArtifactStore, ref: string): Promise<ValueKey | Error> {
  try {
    return keyOrError(await keyOf(await store.load(ref)));
  } catch (error) {
    return error as Error;
  }
}

function keyOrError(key: Awaited<ReturnType<typeof keyOf>>): ValueKey | Error {
  return typeof key === "string" ? key : new Error(key.wrong);
}

/** Everything that was told is there: right, and once. */
async function checkTold(store: ArtifactStore, told: Told[], wrong: string[]): Promise<void> {
  const owners = new Map<string, string>();
  const deleted = new Map<string, boolean>();
  const aliases = new Map<string, { name: string; alias: string; versions: number[] }>();
  for (const each of told) {
    if (each.told === "saved") {
      const { ref, key } = each;
      const other = owners.get(ref);
      if (other !== undefined && other !== key) wrong.push(`${ref} was given to ${other} and to ${key}`);
      if (other === key) continue;
      owners.set(ref, key);
      const value = await loaded(store, ref);
      if (value instanceof Error)
        wrong.push(`${ref} of ${key} is lost: ${(value as VarveError).code} ${value.message}`);
      else if (value !== key) wrong.push(`${ref} is ${value} and not ${key}`);
    } else if (each.told === "deleting" || each.told === "deleted") {
      deleted.set(each.ref, each.told === "deleted");
    } else {
      const known = aliases.get(each.name) ?? { ...each, versions: [-1] };
      // Behind an answer only that version is right; behind a call without one, also the new one.
      known.versions = each.told === "aliased" ? [each.version] : [...known.versions, each.version];
      aliases.set(each.name, known);
    }
  }
  for (const [ref, certain] of deleted) {
    const value = await loaded(store, ref);
    const gone = value instanceof VarveError && value.code === "NOT_FOUND";
    if (certain && !gone) wrong.push(`${ref} was deleted and is there`);
    if (!gone && value instanceof Error) wrong.push(`${ref} can't be read: ${value}`);
  }
  for (const { name, alias, versions } of aliases.values()) {
    const found = (await store.aliases(name))[alias];
    // A writer that lives may have gone on.
    if ((found ?? -1) >= versions[0]!) continue;
    wrong.push(`${name}@${alias} is ${found} and not one of ${versions}`);
  }
}

/** What is there is whole: numbers follow each other, batches are complete, nothing is there twice. */
async function checkWhole(
  store: ArtifactStore,
  told: Told[],
  toldFile: string,
  wrong: string[],
): Promise<void> {
  const known = new Set(told.map((each) => each.told === "saved" && each.ref));
  const refs = new Map<string, string[]>();
  let given = "";
  for await (const artifact of store.list({ allVersions: true })) {
    if (artifact.name.startsWith("own-")) continue;
    const { ref } = artifact;
    const key = keyOrError(await keyOf(await artifact.value()));
    if (key instanceof Error) {
      wrong.push(`${ref}: ${key.message}`);
      continue;
    }
    refs.set(key, [...(refs.get(key) ?? []), ref]);
    if (!known.has(ref)) given += `${JSON.stringify({ told: "saved", ref, key })}\n`;
  }
  // What this reader was given must be there in every later check too.
  appendFileSync(toldFile, given);
  for (const [key, all] of refs) {
    const names = all.map((ref) => ref.slice(0, ref.lastIndexOf(":")));
    if (new Set(names).size !== names.length) wrong.push(`${key} is there several times: ${all}`);
    if (all.length > 2) wrong.push(`${key} is there several times: ${all}`);
    if (all.length === 1 && names[0]!.endsWith("/twin")) wrong.push(`half of a batch is there: ${all}`);
  }
  for await (const { name } of store.list()) {
    if (name.startsWith("own-")) continue;
    let next = 0;
    for await (const { version } of store.versions(name)) {
      if (version !== next) wrong.push(`${name}:${next} is missing, ${version} follows`);
      next = version + 1;
    }
  }
}

async function checkAll(store: ArtifactStore, { told }: CheckRequest, wrong: string[]): Promise<void> {
  const expected = readTold(told);
  await checkTold(store, expected, wrong);
  await checkWhole(store, expected, told, wrong);
  await verify(store, wrong);
}

async function verify(store: ArtifactStore, wrong: string[], when = ""): Promise<void> {
  const { ok, problems } = await store.verify({ full: true });
  if (!ok) wrong.push(...problems.map(({ message }) => `verify${when}: ${message}`));
}

/** Of what was killed or given up nothing is left, and all else is whole; of what is deleted then nothing is left either. */
async function checkLast(store: ArtifactStore, home: string, wrong: string[]): Promise<void> {
  wrong.push(...(await leftovers(store, home)));
  await verify(store, wrong, " behind a compaction");
  await store.rebuildIndex();
  await verify(store, wrong, " behind both");
  wrong.push(...(await leftoversOfNothing(store, home)));
  await verify(store, wrong, " when nothing is left");
}

async function check(request: CheckRequest): Promise<CheckAnswer> {
  const { home, told, rebuild, isLast } = request;
  const wrong: string[] = [];
  const logger = {
    debug() {},
    info() {},
    warn: (message: string) => void wrong.push(`warned: ${message}`),
    error() {},
  };
  const store = await openStore({ home, environment: false, minFreeSpace: 0, lockWaitMax: 30_000, logger });
  try {
    if (rebuild) await store.rebuildIndex();
    await checkAll(store, request, wrong);
    const { versions } = await store.stats();
    if (isLast) await checkLast(store, home, wrong);
    return { violations: wrong.slice(0, SHOWN_MAX), versions, told: readTold(told).length };
  } finally {
    await store.close();
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await check(JSON.parse(line) as CheckRequest).catch((error: Error) => ({
    violations: [`the check failed: ${error.stack}`],
    versions: 0,
    told: 0,
  }));
  console.log(JSON.stringify(answer));
}

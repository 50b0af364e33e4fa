/** What a store that was damaged must still do, and must not. */
import { accessSync, constants, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { ArtifactStore } from "../../engine/api.ts";
import { VarveError } from "../../engine/errors.ts";
import { openStore } from "../../engine/main.ts";
import { within } from "../helpers/time.ts";
import type { Expected } from "./damage-material.ts";

/** What one call may take before it counts as hanging; far more than `lockWaitMax`. */
const CALL_MILLISECONDS_MAX = 8_000;
const LOCK_WAIT_MAX = 2_000;
/** Codes of errors whose message says what to do, or that only the system can explain. */
const SAY_IT_THEMSELVES = ["IO", "CONFIG"];

export interface Examination {
  /** `opened`, or the code with which it was refused. */
  outcome: string;
  /** Whether `verify` told of damage. */
  told: boolean;
  right: Set<string>;
  /** Listed, though it was deleted. */
  unexpected: string[];
  /** Not found, or an older version was given for it, or it was not listed. */
  lost: Set<string>;
  violations: string[];
  /** Versions whose number was given to something else before. */
  twice: string[];
  /** As many more of which nothing is left that could have told. */
  unknown: number;
}

export interface ExamineOptions {
  /** Codes with which it may refuse to open. */
  mayRefuse?: readonly string[];
  /** Codes with which any call may fail, which ends the examination. */
  mayFail?: readonly string[];
  readOnly?: boolean;
  /** Something beside the log tells what was durable: then nothing at all may be lost without a report. */
  witnessed: boolean;
  /** Nothing tells that the newest segment was ever there, though something that was found in its place is reported. */
  endUnknown?: boolean;
  /** Told before each step, so that it is known what a process died of. */
  onCall?: (call: string) => void;
  /** Whether it is opened a second time, from the log alone. */
  again: boolean;
}

/** Uses the store in `home`, all of whose contents are known, and opens it again from its log. */
export async function examine(
  home: string,
  expected: Expected,
  options: ExamineOptions,
): Promise<Examination> {
  const found: Examination = {
    outcome: "opened",
    told: false,
    right: new Set(),
    unexpected: [],
    lost: new Set(),
    violations: [],
    twice: [],
    unknown: 0,
  };
  const log = logBytes(home);
  const { onCall = () => {} } = options;
  onCall("open");
  const store = await open(home, found, options.readOnly ?? false, options.mayRefuse ?? []);
  if (store) {
    try {
      onCall("load and find");
      await readAll(store, expected, found, options.mayFail ?? []);
      onCall("list");
      await listAll(store, expected, found);
      onCall("verify");
      found.told = !(await timed("verify", () => store.verify())).ok;
      checkLosses(expected, found, options.witnessed);
      onCall("stats");
      await timed("stats", () => store.stats());
      onCall("save");
      const saved = options.readOnly ? new Map() : await saveSome(store, expected, found, options);
      onCall("close");
      await timed("close", () => store.close());
      onCall("open from the log");
      if (options.again) await openAgain(home, saved, expected, found, options.mayRefuse ?? []);
    } catch (error) {
      if (!(error instanceof VarveError && options.mayFail?.includes(error.code)))
        found.violations.push(inWords(error));
      await timed("close", () => store.close()).catch(() => {});
    }
  }
  if (!keeps(logBytes(home), log)) found.violations.push("what stood in the log was changed");
  return found;
}

async function open(
  home: string,
  found: Examination,
  readOnly: boolean,
  mayRefuse: readonly string[],
): Promise<ArtifactStore | undefined> {
  try {
    return await timed("open", () =>
      openStore({ home, environment: false, lockWaitMax: LOCK_WAIT_MAX, readOnly }),
    );
  } catch (error) {
    found.outcome = error instanceof VarveError ? error.code : "untyped";
    if (!mayRefuse.includes(found.outcome)) found.violations.push(`refused to open: ${inWords(error)}`);
    else if (error instanceof VarveError && !SAY_IT_THEMSELVES.includes(error.code) && !error.hint)
      found.violations.push(`refused without a hint: ${inWords(error)}`);
    return undefined;
  }
}

async function readAll(
  store: ArtifactStore,
  expected: Expected,
  found: Examination,
  mayFail: readonly string[],
): Promise<void> {
  for (const [ref, value] of expected.values) {
    try {
      const loaded = await timed("load", () => store.load(ref));
      if (isDeepStrictEqual(plain(loaded), plain(value))) found.right.add(ref);
      else found.violations.push(`${ref} has another value`);
    } catch (error) {
      const code = error instanceof VarveError ? error.code : "untyped";
      if (code === "NOT_FOUND") found.lost.add(ref);
      else if (code !== "CORRUPTION" && !mayFail.includes(code))
        found.violations.push(`${ref}: ${inWords(error)}`);
    }
  }
  for (const [name, version] of expected.latest) {
    const latest = await timed("find", () => store.find(name)).catch((error) => {
      if (error instanceof VarveError && error.code === "CORRUPTION") return { version };
      throw error;
    });
    if (latest === undefined || latest.version < version) found.lost.add(`${name}:${version}`);
    else if (latest.version > version) found.violations.push(`latest of ${name} is ${latest.version}`);
  }
}

async function listAll(store: ArtifactStore, { values }: Expected, found: Examination): Promise<void> {
  const missing = new Set([...values.keys()].filter((ref) => found.right.has(ref)));
  const listing = async () => {
    for await (const { ref } of store.list({ allVersions: true })) {
      if (!values.has(ref)) found.unexpected.push(ref);
      missing.delete(ref);
    }
  };
  try {
    await timed("list", listing);
  } catch (error) {
    if (!(error instanceof VarveError) || error.code !== "CORRUPTION") throw error;
    return;
  }
  for (const ref of missing) found.lost.add(ref);
}

/** What is lost must be told; without a witness it may also be what was saved last, in one piece. */
function checkLosses({ times }: Expected, found: Examination, witnessed: boolean): void {
  if (found.told) return;
  // The delete may have been among what was lost.
  if (witnessed && found.unexpected.length > 0)
    found.violations.push(`there again without a report: ${found.unexpected.slice(0, 5)}`);
  if (found.lost.size === 0) return;
  const first = Math.min(...[...found.lost].map((ref) => times.get(ref)!));
  const isTail = [...found.right].every((ref) => times.get(ref)! <= first);
  if (witnessed || !isTail)
    found.violations.push(`lost without a report: ${[...found.lost].slice(0, 5).join(", ")}`);
}

async function saveSome(
  store: ArtifactStore,
  expected: Expected,
  found: Examination,
  { witnessed, endUnknown = false }: ExamineOptions,
): Promise<Map<string, unknown>> {
  const saved = new Map<string, unknown>();
  const lostNames = [...found.lost].map((ref) => ref.slice(0, ref.lastIndexOf(":")));
  const names = new Set([...lostNames.slice(0, 2), [...expected.latest.keys()][0]!, "unheard"]);
  for (const name of names) {
    const value = { saved: name };
    const { ref, version } = await saveTwiceAtMost(store, name, value);
    const next = expected.next.get(name) ?? 0;
    // Where nobody can know that there was more, a number can be given again.
    if (version < next && !endUnknown && (witnessed || found.told)) found.twice.push(ref);
    else if (version < next) found.unknown++;
    // Behind a loss the numbers go on far enough that none is given again.
    else if (version > next && !found.told) found.violations.push(`${ref} follows ${next - 1}`);
    saved.set(ref, value);
    if (!isDeepStrictEqual(await store.load(ref), value))
      found.violations.push(`${ref}, just saved, has another value`);
  }
  return saved;
}

/** A save that meets damage in the index fails, and has it made anew: the next one must succeed. */
async function saveTwiceAtMost(store: ArtifactStore, name: string, value: unknown) {
  const save = () => timed("save", () => store.save(name, value));
  return save().catch((error) => {
    if (error instanceof VarveError && error.code === "CORRUPTION") return save();
    throw error;
  });
}

/** As on another machine: nothing but the log is left. */
async function openAgain(
  home: string,
  saved: Map<string, unknown>,
  expected: Expected,
  found: Examination,
  mayRefuse: readonly string[],
): Promise<void> {
  for (const name of readdirSync(home))
    if (name !== "log") rmSync(join(home, name), { recursive: true, force: true });
  const store = await open(home, found, false, mayRefuse);
  if (!store) return;
  try {
    for (const [ref, value] of saved) {
      const loaded = await timed("load", () => store.load(ref)).catch((error) => inWords(error));
      if (!isDeepStrictEqual(loaded, value))
        found.violations.push(`${ref}, saved after the damage, is gone: ${loaded}`);
    }
    for (const ref of found.right) {
      if (saved.has(ref)) continue;
      const loaded = await timed("load", () => store.load(ref)).catch((error) => inWords(error));
      if (isDeepStrictEqual(plain(loaded), plain(expected.values.get(ref)))) continue;
      // What only the index had kept is found damaged now.
      if (/^(CORRUPTION|NOT_FOUND)/.test(String(loaded)) && found.told) continue;
      found.violations.push(`${ref} was right, and from the log alone is: ${String(loaded).slice(0, 100)}`);
    }
  } finally {
    await store.close();
  }
}

/** Nobody waits forever. */
const timed = <T>(what: string, call: () => Promise<T>) => within(CALL_MILLISECONDS_MAX, what, call);

export function plain(value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;
}

export function inWords(error: unknown): string {
  if (error instanceof VarveError) return `${error.code}: ${error.message}`;
  return `untyped ${(error as Error)?.stack?.split("\n").slice(0, 3).join(" ") ?? String(error)}`;
}

export function logBytes(home: string): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  const folder = join(home, "log");
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return found;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isFile() && isReadable(path)) found.set(entry.name, readFileSync(path));
  }
  return found;
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** Whether every file is there still, at most longer. Unfinished segments may go. */
function keeps(now: Map<string, Buffer>, before: Map<string, Buffer>): boolean {
  return [...before].every(
    ([name, bytes]) =>
      /^new-.*\.tmp$/.test(name) || (now.get(name)?.subarray(0, bytes.length).equals(bytes) ?? false),
  );
}

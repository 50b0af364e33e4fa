import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Artifact, ArtifactStore } from "../../engine/api.ts";
import { indexFolder, listGenerations } from "../../engine/maintenance/home.ts";
import { placeOf } from "../helpers/indexes.ts";
import type { Random } from "../helpers/random.ts";
import { within } from "../helpers/time.ts";
import { leftovers, leftoversOfNothing } from "./leftovers.ts";
import type { Shown, StateNode } from "./power-cut-history.ts";
import { describe } from "./power-cut-history.ts";
import type { CrashState } from "./power-cut-states.ts";
import { crashStates } from "./power-cut-states.ts";
import { openOver } from "./power-cut-store.ts";
import { SimulatedDisk } from "./simulated-disk.ts";
import { textOf } from "./values.ts";

/** An index as it was when the store called it clean: what a power cut, or a restored backup, may leave beside the log. */
export interface IndexCopy {
  generation: number;
  data: Buffer;
  mark: Record<string, unknown>;
}

/** A state of the disk, and all the states of the store that it may stand for. */
export interface TakenState {
  crash: CrashState;
  nodes: readonly StateNode[];
  indexes: readonly IndexCopy[];
  /** What was done, for who looks into a violation, up to the entry `at`. */
  trail: readonly string[];
  at: number;
}

const TRAIL_LENGTH = 40;

function trailOf({ trail, at }: TakenState): string {
  return `after ${trail.slice(Math.max(0, at - TRAIL_LENGTH), at).join(", ")}`;
}

export type IndexVariant = "deleted" | "older" | "untrusted" | "damaged";

export interface CheckSettings {
  /** A real folder for what is not simulated. */
  folder: string;
  random: Random;
  segmentBytesMax: number;
  /** Whether the recovery is itself cut, and the states of that checked. */
  deep: boolean;
  /** Whether there may be large values and directories, and what is left of them. */
  hasParts: boolean;
  /** Counts what was done. */
  count(what: string): void;
}

const ANOTHER_BOOT = "0".repeat(32);
const HANG_MILLISECONDS = 30_000;
let homes = 0;

/** Opens the store that a power cut left and looks whether it is all that it must be; gives what is wrong. */
export async function checkState(taken: TakenState, settings: CheckSettings): Promise<string[]> {
  const home = join(settings.folder, `cut-${homes++}`);
  mkdirSync(home);
  const variant = layIndex(home, taken.indexes, settings.random);
  settings.count(`index ${variant}`);
  const problems: string[] = [];
  const deeper = new TakenStates();
  const disk = diskOf(home, taken.crash);
  const expected = { nodes: taken.nodes };
  if (settings.deep) {
    const trail = [trailOf(taken), taken.crash.how];
    disk.hooks.moment = ({ kind }, phase) => {
      trail.push(`${phase} ${kind}`);
      for (const crash of crashStates(disk, settings.random, 2))
        deeper.add({ ...taken, crash, nodes: expected.nodes, trail, at: trail.length });
    };
  }
  const told = (problem: string) =>
    problems.push(`${taken.crash.how}, index ${variant}: ${problem}\n${trailOf(taken)}`);
  try {
    await within(HANG_MILLISECONDS, "it", () => openAndTry(disk, expected, settings, told));
  } catch (error) {
    told((error as Error).stack ?? String(error));
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
  for (const misuse of disk.misuse) told(misuse);
  for (const state of deeper.distinct()) {
    settings.count("states of a recovery");
    problems.push(
      ...(await checkState(state, { ...settings, deep: false })).map((each) => `second cut: ${each}`),
    );
  }
  return problems;
}

async function openAndTry(
  disk: SimulatedDisk,
  expected: { nodes: readonly StateNode[] },
  settings: CheckSettings,
  told: (problem: string) => void,
): Promise<void> {
  const { random, hasParts, deep } = settings;
  const options = { segmentBytesMax: settings.segmentBytesMax, lockWaitMax: 20_000 };
  const store = await openOver(disk, options);
  try {
    const node = stateOf(await observe(store, hasParts), expected.nodes, told);
    if (!node) return;
    expected.nodes = [node];
    const { ok, problems } = await store.verify();
    if (!ok) told(`verify: ${problems.map(({ message }) => message).join("; ")}`);
    const next = node.next((model, sequence) => model.save("after the cut", '{"cut":1}', sequence));
    expected.nodes = [node, next];
    const saved = await store.save("after the cut", { cut: 1 });
    expected.nodes = [next];
    if (!hasParts && saved.sequence !== next.sequence)
      told(`saving gave operation ${saved.sequence}, not ${next.sequence}`);
    // What a compaction had begun is ended by the next one.
    const compacts = random.below(4) === 0;
    if (compacts && hasParts) for (const left of await leftovers(store, disk.home, disk)) told(left);
    else if (compacts) await store.compact();
    if (random.below(3) === 0) stateOf(await observe(store, hasParts), [next], told);
    else if ((await store.load<{ cut: number }>("after the cut")).cut !== 1)
      told("what was saved is not loaded");
    if (compacts && hasParts && !deep)
      for (const left of await leftoversOfNothing(store, disk.home, disk)) told(left);
  } finally {
    await store.close();
  }
  if (disk.openFiles > 0) told(`${disk.openFiles} files are open after closing`);
}

function stateOf(
  text: string,
  nodes: readonly StateNode[],
  told: (problem: string) => void,
): StateNode | undefined {
  const node = nodes.find((each) => each.text === text);
  if (!node && nodes.length === 0) told("the disk was the same at two moments that have no state in common");
  else if (!node)
    told(`found\n${text}\nbut only these were possible:\n${nodes.map((each) => each.text).join("\nor\n")}`);
  return node;
}

/**
 * All that can be read of a store, as text that is equal to that of a state of the model.
 * @param ranked as in `Model`
 */
export async function observe(store: ArtifactStore, ranked = false): Promise<string> {
  const shown: Shown[] = [];
  for await (const artifact of store.list({ allVersions: true })) {
    const value = await textOf(await artifact.value());
    shown.push({ version: { ...facts(artifact), value }, aliases: artifact.aliases });
  }
  for await (const artifact of store.list({ allVersions: true, deleted: true }))
    shown.push({ version: { ...facts(artifact), value: "" }, aliases: [] });
  const { sequence } = await store.stats();
  return describe(sequence, shown, ranked);
}

function facts({ name, version, sequence, tags, deleted }: Artifact) {
  return { name, version, sequence, tags, deleted };
}

/** A disk on which nothing but this is left. */
export function diskOf(home: string, { files }: Pick<CrashState, "files">): SimulatedDisk {
  const disk = new SimulatedDisk(home);
  if (!files) return disk;
  disk.placeLogFolder();
  for (const [name, bytes] of files) disk.place(name, bytes);
  return disk;
}

/** Puts an older index beside the log, or none. */
function layIndex(home: string, indexes: readonly IndexCopy[], random: Random): IndexVariant {
  const copy = indexes[random.below(indexes.length + 1)];
  if (!copy) return "deleted";
  const folder = indexFolder(home, copy.generation);
  const path = join(folder, "data.mdb");
  mkdirSync(folder);
  writeFileSync(path, copy.data);
  const own = { ...copy.mark, bootId: ANOTHER_BOOT, ...placeOf(folder) };
  const variant = (["older", "older", "untrusted", "damaged"] as const)[random.below(4)]!;
  const { clean, checksum, ...unclean } = own as Record<string, unknown>;
  // As in use when the power went: anything may be in it.
  if (variant === "damaged") writeFileSync(path, random.bytes(8192), { flag: "r+" });
  const marks = { older: own, untrusted: { ...own, born: "0", inode: 1 }, damaged: unclean };
  writeFileSync(join(folder, "trust.json"), `${JSON.stringify(marks[variant])}\n`);
  return variant;
}

/** The indexes in a home that are on the disk as they are, and say so. */
export function cleanIndexes(home: string): IndexCopy[] {
  return listGenerations(home).flatMap((generation) => {
    const folder = indexFolder(home, generation);
    try {
      const mark = JSON.parse(readFileSync(join(folder, "trust.json"), "utf8")) as Record<string, unknown>;
      return mark.clean ? [{ generation, data: readFileSync(join(folder, "data.mdb")), mark }] : [];
    } catch {
      // None, or one that is being made.
      return [];
    }
  });
}

/** States by what the disk holds: equal ones once, with what all of their moments allow. */
export class TakenStates {
  readonly #byHash = new Map<string, TakenState>();
  /** How many were taken, equal ones included. */
  count = 0;

  add(state: TakenState): void {
    this.count++;
    const known = this.#byHash.get(state.crash.hash);
    const nodes = known ? known.nodes.filter((node) => state.nodes.includes(node)) : state.nodes;
    this.#byHash.set(state.crash.hash, { ...(known ?? state), nodes });
  }

  distinct(): TakenState[] {
    return [...this.#byHash.values()];
  }
}

import { createHash } from "node:crypto";
import type { Random } from "../helpers/random.ts";
import type { NameHistory, SimulatedDisk } from "./simulated-disk.ts";
import type { UnsyncedWrite } from "./simulated-file.ts";
import { SimulatedFile } from "./simulated-file.ts";

/** What a disk holds after a power cut: the files of the log, by name, or no log folder at all. */
export interface CrashState {
  files: Map<string, Buffer> | undefined;
  /** Of all that is in it. */
  hash: string;
  /** How it came about. */
  how: string;
}

const SECTOR_BYTES = 512;
/** Up to so many combinations of names all are taken. */
const NAME_CHOICES_MAX = 8;

/** What becomes of a write that was not synced: `into` is zero where it goes. Gives whether the file reaches to its end. */
type Fate = (write: UnsyncedWrite, bytes: Buffer, into: Buffer, random: Random, last: boolean) => boolean;

const lost: Fate = () => false;

const kept: Fate = ({ from, to }, bytes, into) => {
  bytes.copy(into, from, from, to);
  return true;
};

/** The size reached the disk, the bytes did not. */
const zeros: Fate = () => true;

const some: Fate = (write, bytes, into, random) =>
  random.below(2) === 0 && kept(write, bytes, into, random, false);

/** Sector by sector there or not, in no order; a sector keeps what is before the write, which was synced. */
const torn: Fate = ({ from, to }, bytes, into, random) => {
  for (let at = from; at < to; at = nextSector(at)) {
    if (random.below(2) === 0) bytes.copy(into, at, at, Math.min(to, nextSector(at)));
  }
  return random.below(4) > 0;
};

/** As `torn`, but where the bytes are missing anything may stand. */
const garbage: Fate = ({ from, to }, bytes, into, random) => {
  for (let at = from; at < to; at = nextSector(at)) {
    const end = Math.min(to, nextSector(at));
    if (random.below(2) === 0) bytes.copy(into, at, at, end);
    else random.bytes(end - at).copy(into, at);
  }
  return true;
};

/** All but the last write, of which the first half got there. */
const half: Fate = (write, bytes, into, random, last) => {
  if (!last) return kept(write, bytes, into, random, last);
  const middle = write.from + ((write.to - write.from) >> 1);
  bytes.copy(into, write.from, write.from, middle);
  return random.below(2) === 0;
};

/** The first ones in order: each write that comes after one that is not there is not there either. */
function prefix(count: number): Fate {
  let left = count;
  return (write, bytes, into, random, last) => left-- > 0 && kept(write, bytes, into, random, last);
}

const FATES = { lost, kept, zeros, some, torn, garbage, half };

function nextSector(at: number): number {
  return (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES;
}

/**
 * States that a power cut could leave at this moment: all that was not synced lost, all kept, zeros in its place, every
 * combination of names where there are few, and `draws` random ones. States that are equal are given once.
 */
export function crashStates(disk: SimulatedDisk, random: Random, draws: number): CrashState[] {
  const pending = [...disk.names].filter(([, nodes]) => nodes.length > 1);
  const files = [...disk.names.values()].flat().filter((node) => node instanceof SimulatedFile);
  const unsynced = new Set(files.filter((file) => file.unsynced.length > 0));
  const states = new Map<string, CrashState>();
  const take = (names: Names, fate: (file: SimulatedFile) => Fate, how: string) => {
    const state = materialize(disk, names, fate, random, how);
    if (!states.has(state.hash)) states.set(state.hash, state);
  };
  const subsets = nameSubsets(pending, random);
  for (const names of subsets) {
    take(names, () => lost, "all lost");
    if (unsynced.size > 0) take(names, () => kept, "all kept");
  }
  if (unsynced.size === 0) return [...states.values()];
  take(subsets.at(-1)!, () => zeros, "zeros");
  for (let i = 0; i < draws; i++) {
    const names = subsets[random.below(subsets.length)]!;
    const [how, fate] = Object.entries(FATES)[random.below(7)]!;
    const writes = [...unsynced].reduce((sum, file) => sum + file.unsynced.length, 0);
    const kind = random.below(8);
    if (kind === 0) take(names, () => prefix(random.below(writes + 1)), "prefix");
    else if (kind === 1) take(names, () => Object.values(FATES)[random.below(7)]!, "mixed");
    else take(names, () => fate, how);
  }
  return [...states.values()];
}

/** Which of its past each unsynced name stands for. */
type Names = Map<string, number>;

/** All combinations, or where there are many the two ends and random ones. */
function nameSubsets(pending: [string, NameHistory][], random: Random): Names[] {
  const combinations = pending.reduce((product, [, nodes]) => product * nodes.length, 1);
  const choose = (choice: (length: number) => number) =>
    new Map(pending.map(([path, nodes]) => [path, choice(nodes.length)]));
  if (combinations > NAME_CHOICES_MAX) {
    const draws = Array.from({ length: NAME_CHOICES_MAX - 2 }, () =>
      choose((length) => random.below(length)),
    );
    return [choose(() => 0), ...draws, choose((length) => length - 1)];
  }
  return Array.from({ length: combinations }, (_, number) => {
    let rest = number;
    return choose((length) => {
      const choice = rest % length;
      rest = Math.floor(rest / length);
      return choice;
    });
  });
}

function materialize(
  disk: SimulatedDisk,
  names: Names,
  fate: (file: SimulatedFile) => Fate,
  random: Random,
  how: string,
): CrashState {
  const chosen = (path: string) => {
    const nodes = disk.names.get(path)!;
    return nodes[names.get(path) ?? nodes.length - 1];
  };
  // A folder whose own name is lost takes all that is in it along.
  const above = [...disk.names.keys()].filter((path) => `${disk.log}/`.startsWith(`${path}/`));
  if (above.some((path) => chosen(path) === undefined)) return { files: undefined, hash: "none", how };
  const files = new Map<string, Buffer>();
  // Two names can stand for one file, which then has one content.
  const contents = new Map<SimulatedFile, Buffer>();
  for (const path of disk.names.keys()) {
    const file = chosen(path);
    if (!(file instanceof SimulatedFile)) continue;
    const content = contents.get(file) ?? contentAfter(file, fate(file), random);
    contents.set(file, content);
    files.set(path.slice(disk.log.length + 1), content);
  }
  return { files, hash: hashOf(files), how };
}

function contentAfter(file: SimulatedFile, fate: Fate, random: Random): Buffer {
  const { bytes, unsynced } = file;
  if (unsynced.length === 0) return file.copy;
  const content = Buffer.from(bytes);
  let size = file.durableSize;
  for (const { from, to } of unsynced) content.fill(0, from, to);
  unsynced.forEach((write, i) => {
    if (fate(write, bytes, content, random, i === unsynced.length - 1)) size = Math.max(size, write.to);
  });
  return content.subarray(0, size);
}

function hashOf(files: ReadonlyMap<string, Buffer>): string {
  const hash = createHash("md5");
  for (const name of [...files.keys()].sort()) hash.update(`${name} ${contentHash(files.get(name)!)}\n`);
  return hash.digest("hex");
}

/** Most files are the same in most states. */
const contentHashes = new WeakMap<Buffer, string>();

function contentHash(bytes: Buffer): string {
  const known = contentHashes.get(bytes);
  if (known) return known;
  const hash = createHash("md5").update(bytes).digest("hex");
  contentHashes.set(bytes, hash);
  return hash;
}

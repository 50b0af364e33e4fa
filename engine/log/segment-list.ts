import { isCorruption, VarveError } from "../errors.ts";
import type { FileSystem } from "./file.ts";
import type { LogIdentity } from "./segment-header.ts";
import { readHeaderOf } from "./segment-header.ts";
import { GENERATION_MAX, segmentGeneration, segmentId, segmentNumber, segmentOfName } from "./segment-id.ts";

/** A file, and the numbers that it stands for. */
interface Range {
  id: number;
  first: number;
  last: number;
  isReadable: boolean;
}

/** A rewritten segment that can't be read may stand for so many numbers: new ones keep clear of them. */
const UNKNOWN_NUMBERS = 2 ** 16;
/** Between two looks a file may go. */
const TRIES_MAX = 10;

/**
 * Ids of the segments in effect, ascending. Where files stand for the same numbers, the one of the highest generation
 * counts that has a readable header. A rewritten one without that counts only where there is no other of its number.
 * @param identity without it a rewritten segment of another store that got among them would be believed
 */
export function listSegments(files: FileSystem, folder: string, identity?: LogIdentity): number[] {
  return inEffect(look(files, folder, identity)).map(({ id }) => id);
}

/** Ids of the segments that are there and do not count, ascending. */
export function listSuperseded(files: FileSystem, folder: string, identity?: LogIdentity): number[] {
  const all = look(files, folder, identity);
  const counting = new Set(inEffect(all));
  return all.filter((range) => !counting.has(range)).map(({ id }) => id);
}

/** Ids of the segments that are there, whether they count or not, ascending. No file is read for it. */
export function listAll(files: FileSystem, folder: string): number[] {
  const ids = files.list(folder).flatMap((name) => segmentOfName(name) ?? []);
  return ids.sort((a, b) => a - b);
}

/** Whether another one stands for the number of a segment. */
export function isSuperseded(files: FileSystem, folder: string, id: number, identity?: LogIdentity): boolean {
  const number = segmentNumber(id);
  const all = inEffect(look(files, folder, identity));
  const other = all.find((range) => range.isReadable && range.first <= number && number <= range.last);
  return other !== undefined && segmentGeneration(other.id) > segmentGeneration(id);
}

/** The number for a new segment, behind all others and `known`. */
export function nextNumber(files: FileSystem, folder: string, known: number): number {
  return Math.max(segmentNumber(known), ...look(files, folder).map(({ last }) => last)) + 1;
}

/**
 * The id for a segment that is to stand for `first`, `last` and all between, which are in effect: of a higher
 * generation than every other that stands, or may stand, for one of their numbers.
 */
export function nextRewrittenId(files: FileSystem, folder: string, first: number, last: number): number {
  const all = look(files, folder);
  const to = all.find(({ id }) => id === last)?.last ?? segmentNumber(last);
  const others = all.filter((range) => range.first <= to && range.last >= segmentNumber(first));
  const generation = Math.max(0, ...others.map(({ id }) => segmentGeneration(id))) + 1;
  if (generation <= GENERATION_MAX) return segmentId(segmentNumber(first), generation);
  throw new VarveError("NOT_SUPPORTED", "a segment of the log was rewritten more often than can be counted", {
    hint: "import the artifacts into a new store",
  });
}

/** All segments, by id. */
function look(files: FileSystem, folder: string, identity?: LogIdentity): Range[] {
  for (let tries = 1; ; tries++) {
    const ranges = listAll(files, folder).map((id) => rangeOf(files, folder, id, identity));
    const isGone = tries < TRIES_MAX && ranges.includes("gone");
    if (isGone) continue;
    return ranges.filter((range) => range !== "gone");
  }
}

function rangeOf(files: FileSystem, folder: string, id: number, identity?: LogIdentity): Range | "gone" {
  const first = segmentNumber(id);
  if (id === first) return { id, first, last: first, isReadable: true };
  try {
    const { rewritten } = readHeaderOf(files, folder, id, identity);
    return { id, first, last: rewritten!.lastNumber, isReadable: true };
  } catch (error) {
    if (!isCorruption(error)) throw error;
    if ((error.cause as NodeJS.ErrnoException | undefined)?.code === "ENOENT") return "gone";
    return { id, first, last: first + UNKNOWN_NUMBERS - 1, isReadable: false };
  }
}

/** @param all by id */
function inEffect(all: readonly Range[]): Range[] {
  const isRewritten = ({ id, first }: Range) => id !== first;
  if (!all.some(isRewritten)) return [...all];
  const counting = new Map<number, Range>();
  const ranked = all.filter((range) => isRewritten(range) && range.isReadable);
  ranked.sort((a, b) => segmentGeneration(b.id) - segmentGeneration(a.id) || a.id - b.id);
  const kept: Range[] = [];
  for (const range of ranked) if (!kept.some((other) => overlap(other, range))) kept.push(range);
  kept.sort((a, b) => a.id - b.id);
  for (const range of kept) counting.set(range.first, range);
  const originals = all.filter((range) => !isRewritten(range));
  // Of several that can't be read the newest is the last.
  const unreadable = all.filter(({ isReadable }) => !isReadable);
  for (const range of uncovered(originals, kept)) counting.set(range.first, range);
  for (const range of uncovered(unreadable, kept))
    if (isFree(counting, range)) counting.set(range.first, range);
  return [...counting.values()].sort((a, b) => a.id - b.id);
}

function isFree(counting: ReadonlyMap<number, Range>, { first }: Range): boolean {
  return counting.get(first)?.isReadable !== true;
}

function overlap(a: Range, b: Range): boolean {
  return a.first <= b.last && b.first <= a.last;
}

/** Those of which nobody in `kept` stands for the first number; both ascending. */
function uncovered(ranges: readonly Range[], kept: readonly Range[]): Range[] {
  let i = 0;
  return ranges.filter(({ first }) => {
    while (i < kept.length && kept[i]!.last < first) i++;
    return i === kept.length || kept[i]!.first > first;
  });
}

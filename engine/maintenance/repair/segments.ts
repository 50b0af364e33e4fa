import { randomBytes } from "node:crypto";
import { join, parse } from "node:path";
import { VarveError } from "../../errors.ts";
import type { SegmentHeader } from "../../log/format.ts";
import type { LogPosition } from "../../log/segment.ts";
import { listSegments, segmentPath, segmentText, unfinishedPath } from "../../log/segment.ts";
import { logFolder } from "../home.ts";
import type { Pace } from "../pace.ts";
import { SegmentCopy } from "./copy.ts";
import type { Cut, MergedSegment } from "./merge.ts";
import { mergeSegment } from "./merge.ts";
import type { OwnLog, RepairSource } from "./sources.ts";

/** A segment that other copies make better, and what it is to consist of. */
export interface SegmentPlan {
  /** Its id. */
  number: number;
  header: SegmentHeader;
  cut: Cut | undefined;
  merged: MergedSegment;
  /** Whether there is a file that it takes the place of. */
  replaces: boolean;
  copies: SegmentCopy[];
}

const PIECE_BYTES = 1024 * 1024;

/** What is known of the segments of a log that may lack some, from its own headers and those of copies. */
export class SegmentMap {
  readonly #own: OwnLog;
  readonly #sources: readonly RepairSource[];
  readonly #headers = new Map<number, SegmentHeader>();
  readonly numbers: number[];
  /** Where the log ends now; what comes behind is not there yet. */
  readonly #end: LogPosition | undefined;

  private constructor(own: OwnLog, sources: readonly RepairSource[], end: LogPosition | undefined) {
    this.#own = own;
    this.#sources = sources.filter(({ isSame }) => isSame);
    this.#end = end;
    this.numbers = listSegments(own.files, logFolder(own.folder), own.identity);
  }

  static async of(
    own: OwnLog,
    sources: readonly RepairSource[],
    end: LogPosition | undefined,
    pace: Pace,
  ): Promise<SegmentMap> {
    const map = new SegmentMap(own, sources, end);
    for (const number of [...map.numbers].reverse()) await map.#learn(number, pace);
    return map;
  }

  /** Segments that there should be, of which the file is missing, has no readable header, or is another store's. */
  unreadable(): number[] {
    return [...this.#named()].filter((number) => !this.#ownHeader(number));
  }

  /** The segment that another one goes on from. */
  previous(number: number): number | undefined {
    const header = this.#headers.get(number);
    return header && header.previousNumber > 0 ? this.#before(header) : undefined;
  }

  /** Undefined where copies can't make it better. */
  async plan(number: number, pace: Pace): Promise<SegmentPlan | undefined> {
    const header = this.#headers.get(number);
    if (!header) return undefined;
    const { own, others, copies } = this.#openAll(number, header);
    let isBetter = false;
    try {
      const cut = this.#cut(number);
      const merged = await mergeSegment({ number, header, own, others, cut }, pace);
      const isTooLong =
        own !== undefined && header.rewritten !== undefined && own.size > header.rewritten.bytes;
      isBetter = isTooLong || merged.extents.some(({ copy }) => copy && copy !== own);
      return isBetter ? { number, header, cut, merged, replaces: own !== undefined, copies } : undefined;
    } finally {
      if (!isBetter) closeAll(copies);
    }
  }

  /** Learns of a segment, and of those that it goes on from as far as nobody else tells. */
  async #learn(number: number, pace: Pace): Promise<void> {
    for (let next = number; next > 0 && !this.#headers.has(next); ) {
      const header = this.#ownHeader(next) ?? (await this.#foreignHeader(next, pace));
      if (!header) return;
      this.#headers.set(next, header);
      next = this.#before(header);
    }
  }

  #named(): Set<number> {
    return new Set([...this.#headers.values()].map((header) => this.#before(header)).filter((id) => id > 0));
  }

  /** The id of what stands for the segment that one goes on from: here, or else where a copy has it. */
  #before(header: SegmentHeader): number {
    const number = header.previousNumber;
    const isIt = (id: number, other: SegmentHeader | undefined) =>
      id === number || (other !== undefined && isEndOf(other, header));
    const own = this.numbers.find((id) => isIt(id, this.#headers.get(id) ?? this.#ownHeader(id)));
    if (own !== undefined) return own;
    const there = this.#sources.flatMap(({ headers }) => [...headers]).filter((entry) => isIt(...entry));
    return there.find(([id]) => id === number)?.[0] ?? there[0]?.[0] ?? number;
  }

  #ownHeader(number: number): SegmentHeader | undefined {
    const copy = this.#openOwn(number);
    const header = copy?.header(number, this.#own.identity);
    copy?.close();
    return header;
  }

  /**
   * The header of a copy, for a segment whose own is not to be read. Segments that were begun at the same number by
   * homes that went apart differ in their salt: the right one fits our bytes, or ends as the next segment says.
   */
  async #foreignHeader(number: number, pace: Pace): Promise<SegmentHeader | undefined> {
    const cut = this.#cut(number);
    const candidates = this.#sources.flatMap((source) => source.headers.get(number) ?? []);
    let unproven: SegmentHeader | undefined;
    for (const header of candidates) {
      // Only copies of one and the same have the same generation of it, but for homes that went apart before.
      if (header.rewritten) {
        if (this.#isFollowed(header)) return header;
        continue;
      }
      const { own, others, copies } = this.#openAll(number, header);
      try {
        const ours = await own?.outline(header.salt, Number.POSITIVE_INFINITY, pace);
        if (ours && ours.length > 0) return header;
        for (const copy of others) {
          const outline = await copy.outline(header.salt, cut?.end ?? Number.POSITIVE_INFINITY, pace);
          if (outline.some(({ end, header: { chain } }) => end === cut?.end && chain === cut.chain))
            return header;
          if (
            !outline.some(
              ({ header: { sequence, chain } }) => cut && sequence >= cut.sequence && chain !== cut.chain,
            )
          )
            unproven = header;
        }
      } finally {
        closeAll(copies);
      }
    }
    return unproven;
  }

  /** Whether no segment goes on from elsewhere where this one ends. */
  #isFollowed(header: SegmentHeader): boolean {
    const { lastNumber } = header.rewritten!;
    const next = [...this.#headers.values()].filter(({ number }) => number > lastNumber);
    const [first] = next.sort((a, b) => a.number - b.number);
    return first === undefined || isEndOf(header, first);
  }

  #cut(number: number): Cut | undefined {
    const rewritten = this.#headers.get(number)?.rewritten;
    // What is in it is chained anew, so what comes behind it says nothing of that.
    if (rewritten)
      return { end: rewritten.bytes, sequence: Number.POSITIVE_INFINITY, chain: rewritten.endChain };
    for (const header of this.#headers.values()) {
      const { previousNumber, previousEnd: end, previousSequence: sequence, previousChain: chain } = header;
      if (previousNumber === number) return { end, sequence, chain };
    }
    if (this.#end?.segment !== number) return undefined;
    return { end: this.#end.offset, sequence: this.#end.sequence, chain: this.#end.chain };
  }

  #openOwn(number: number): SegmentCopy | undefined {
    const { files, folder } = this.#own;
    const path = segmentPath(logFolder(folder), number);
    return files.exists(path) ? SegmentCopy.open(files, path) : undefined;
  }

  /** Our own, and copies of that very segment: the same salt, or a header that says nothing. */
  #openAll(
    number: number,
    { salt }: SegmentHeader,
  ): { own: SegmentCopy | undefined; others: SegmentCopy[]; copies: SegmentCopy[] } {
    const own = this.#openOwn(number);
    const copies = own ? [own] : [];
    try {
      for (const { folder, numbers, headers } of this.#sources) {
        if (numbers.includes(number) && (headers.get(number)?.salt ?? salt) === salt)
          copies.push(SegmentCopy.open(this.#own.files, segmentPath(folder, number)));
      }
      return { own, others: copies.filter((copy) => copy !== own), copies };
    } catch (error) {
      closeAll(copies);
      throw error;
    }
  }
}

/** Whether a rewritten segment stands for the one that `next` goes on from. */
function isEndOf({ number, rewritten }: SegmentHeader, next: SegmentHeader): boolean {
  if (!rewritten || next.previousNumber < number || next.previousNumber > rewritten.lastNumber) return false;
  return rewritten.endChain === next.previousChain;
}

function closeAll(copies: readonly SegmentCopy[]): void {
  for (const copy of copies) copy.close();
}

/**
 * Writes the merged segment to a file without its name yet, on the disk, and reads it again.
 * @returns its path
 */
export async function writeMerged(own: OwnLog, plan: SegmentPlan, pace: Pace): Promise<string> {
  const path = unfinishedPath(logFolder(own.folder));
  try {
    await writeExtents(own, plan, path, pace);
    await check(own, plan, path, pace);
    return path;
  } catch (error) {
    own.files.remove(path);
    throw error;
  }
}

async function writeExtents({ files }: OwnLog, plan: SegmentPlan, path: string, pace: Pace): Promise<void> {
  const file = files.open(path, "create");
  try {
    for (const { copy, from, to } of plan.merged.extents) {
      for (let at = from; at < to; at += PIECE_BYTES) {
        const length = Math.min(PIECE_BYTES, to - at);
        file.append([copy ? copy.bytes(at, length) : Buffer.alloc(length)]);
        if (pace.isDue()) await pace.turn();
      }
    }
    file.sync();
  } finally {
    file.close();
  }
}

async function check(own: OwnLog, plan: SegmentPlan, path: string, pace: Pace): Promise<void> {
  const { number, header, cut, merged } = plan;
  const written = SegmentCopy.open(own.files, path);
  try {
    const again = await mergeSegment({ number, header, own: written, others: [], cut }, pace);
    const isGood =
      written.header(number, own.identity)?.salt === header.salt &&
      again.problems.length <= merged.problems.length;
    if (!isGood)
      throw new VarveError("IO", `the repaired ${segmentText(number)} was not read back as it was written`, {
        hint: "check the disk; nothing was changed",
      });
  } finally {
    written.close();
  }
}

/** Under the lock: the file at `path` gets the segment's name, and what had it is kept in `quarantine`. */
export function replaceSegment(own: OwnLog, plan: SegmentPlan, path: string, now: Date): string | undefined {
  const { files, folder } = own;
  const target = segmentPath(logFolder(folder), plan.number);
  if (!plan.replaces) {
    files.publish(path, target);
    files.syncFolder(logFolder(folder));
    return undefined;
  }
  const quarantine = join(folder, "quarantine");
  if (!files.exists(quarantine)) {
    files.makeFolder(quarantine);
    files.syncFolder(folder);
  }
  const stamp = now.toISOString().replaceAll(/[-:]/g, "");
  const { name, ext } = parse(target);
  const kept = join(quarantine, `${name}-${stamp}-${randomBytes(3).toString("hex")}${ext}`);
  // The damaged file has a second name, on the disk, before the first is taken from it.
  files.link(target, kept);
  files.syncFolder(quarantine);
  files.replace(path, target);
  files.syncFolder(logFolder(folder));
  return kept;
}

import { fromSystemError } from "./errors.ts";
import type { SharedState } from "./index/shared-state.ts";
import type { LogPosition } from "./log/segment.ts";
import { listSegments } from "./log/segment.ts";
import { logFolder } from "./maintenance/home.ts";
import type { PaceOptions } from "./maintenance/pace.ts";
import { Pace } from "./maintenance/pace.ts";
import { BlobCopies } from "./maintenance/repair/blobs.ts";
import type { Continuation } from "./maintenance/repair/end.ts";
import { continuation } from "./maintenance/repair/end.ts";
import { digestsOf, isIndexWrong, isMended, staysDamaged } from "./maintenance/repair/judge.ts";
import type { SegmentPlan } from "./maintenance/repair/segments.ts";
import { SegmentMap, writeMerged } from "./maintenance/repair/segments.ts";
import type { RepairSource } from "./maintenance/repair/sources.ts";
import { openSources } from "./maintenance/repair/sources.ts";
import type { CoreProblem } from "./maintenance/verify/report.ts";
import type { ReadySegment, RepairParts } from "./repair-lock.ts";
import { makeIndexAnew, replaceAll, seal } from "./repair-lock.ts";

export interface RepairCoreOptions extends PaceOptions {
  /** Folders of other copies and other stores. */
  from: readonly string[];
  dryRun: boolean;
}

export interface CoreRepair {
  before: CoreProblem[];
  /** What is left; in a dry run what would be. */
  after: CoreProblem[];
  /** Operations that this log ended before, and that a copy had. */
  regained: { after: number; to: number } | undefined;
  quarantined: string[];
  indexRebuilt: boolean;
  /** Whether any copy of this very store was given. */
  hadBackup: boolean;
}

/** Restores what other copies have, segment by segment, then value by value; tries everything before and behind. */
export async function repairCore(parts: RepairParts, options: RepairCoreOptions): Promise<CoreRepair> {
  const sources = openSources(parts, options.from);
  try {
    return await new Repair(parts, sources, options).run();
  } catch (error) {
    throw fromSystemError(error, "repairing the store", {
      hint: "nothing is lost by it; repair again once the cause is gone",
    });
  } finally {
    for (const { reader } of sources) reader.close();
  }
}

class Repair {
  readonly #parts: RepairParts;
  readonly #sources: RepairSource[];
  readonly #options: RepairCoreOptions;
  readonly #pace: Pace;
  readonly #quarantined: string[] = [];
  #indexRebuilt = false;
  #regained: CoreRepair["regained"];
  #before: CoreProblem[] = [];

  constructor(parts: RepairParts, sources: RepairSource[], options: RepairCoreOptions) {
    this.#parts = parts;
    this.#sources = sources;
    this.#options = options;
    this.#pace = new Pace(options);
  }

  async run(): Promise<CoreRepair> {
    const { dryRun } = this.#options;
    this.#before = await this.#verify();
    const { tail } = this.#state();
    const further = continuation(this.#sources, tail);
    if (further && dryRun) this.#regained = { after: tail.sequence, to: further.end.sequence };
    const after = dryRun ? await this.#foresee(tail) : await this.#repair(tail, further);
    return {
      before: this.#before,
      after,
      regained: this.#regained,
      quarantined: this.#quarantined,
      indexRebuilt: this.#indexRebuilt,
      hadBackup: this.#hasBackup(),
    };
  }

  async #repair(tail: LogPosition, further: Continuation | undefined): Promise<CoreProblem[]> {
    if (this.#hasBackup()) {
      const damaged = this.#damagedSegments();
      if (further) damaged.add(tail.segment);
      if (damaged.has(tail.segment) && (await seal(this.#parts, tail, further)))
        this.#regained = { after: tail.sequence, to: further!.end.sequence };
      await this.#repairSegments(damaged);
    }
    if (!this.#indexRebuilt && isIndexWrong(this.#before)) {
      await makeIndexAnew(this.#parts);
      this.#indexRebuilt = true;
    }
    const left = this.#hasDone() ? await this.#verify() : this.#before;
    const written = await this.#writeBlobs(digestsOf(left));
    return written > 0 ? this.#verify() : left;
  }

  /** Only a copy of this very store can have its segments. */
  #hasBackup(): boolean {
    return this.#sources.some(({ isSame }) => isSame);
  }

  #hasDone(): boolean {
    return this.#indexRebuilt || this.#quarantined.length > 0;
  }

  async #verify(): Promise<CoreProblem[]> {
    const { signal, onProgress } = this.#options;
    return (await this.#parts.verify({ signal, onProgress })).problems;
  }

  #state(): SharedState {
    this.#parts.lock.refresh();
    return this.#parts.lock.state()!;
  }

  /** Numbers of segments in which something may be missing. */
  #damagedSegments(): Set<number> {
    const numbers = new Set<number>();
    for (const { kind, segment } of this.#before) {
      if (segment !== undefined) numbers.add(segment);
      if (kind === "missing") numbers.add(this.#state().tail.segment);
    }
    return numbers;
  }

  #numbersToPlan(damaged: Set<number>, map: SegmentMap): number[] {
    const wanted = new Set([...damaged, ...map.unreadable()]);
    // That a segment does not go on where the one before ends is told of the later one.
    for (const number of damaged) {
      const previous = map.previous(number);
      if (previous !== undefined) wanted.add(previous);
    }
    return [...wanted].sort((a, b) => a - b);
  }

  async #repairSegments(damaged: Set<number>): Promise<void> {
    const map = await SegmentMap.of(this.#parts, this.#sources, undefined, this.#pace);
    const { logEpoch } = this.#state();
    const ready: ReadySegment[] = [];
    try {
      for (const number of this.#numbersToPlan(damaged, map)) {
        const plan = await map.plan(number, this.#pace);
        if (!plan) continue;
        try {
          ready.push({ plan, path: await writeMerged(this.#parts, plan, this.#pace) });
        } finally {
          for (const copy of plan.copies) copy.close();
        }
      }
      if (ready.length > 0) await this.#replace(ready, logEpoch);
    } finally {
      for (const { path } of ready) this.#parts.files.remove(path);
    }
  }

  async #replace(ready: ReadySegment[], epoch: number): Promise<void> {
    const plans = ready.map(({ plan }) => plan);
    // An index that was never made over damage knows more than a log that stays damaged.
    const isKept =
      !this.#regained &&
      !this.#parts.catalog().gaps.all() &&
      !isIndexWrong(this.#before) &&
      staysDamaged(this.#before, plans);
    await replaceAll(this.#parts, ready, epoch, isKept ? "kept" : "made anew", this.#quarantined);
    this.#indexRebuilt ||= !isKept;
  }

  #copiesOf(digests: Buffer[]): Promise<BlobCopies> {
    const { files, folder, identity, reader } = this.#parts;
    const same = this.#sources.filter(({ isSame }) => isSame);
    const others = this.#sources.filter(({ isSame }) => !isSame);
    const own = { reader, numbers: listSegments(files, logFolder(folder), identity) };
    return BlobCopies.find([own, ...same, ...others], digests, this.#pace);
  }

  /** Damaged blobs get a second record with the right bytes; readers find that one. */
  async #writeBlobs(digests: Buffer[]): Promise<number> {
    const copies = await this.#copiesOf(digests);
    let written = 0;
    for (const digest of digests) {
      const bytes = await copies.read(digest);
      if (!bytes) continue;
      const blob = this.#parts.prepareBlob(bytes);
      await this.#parts.commit({ run: (t) => t.writeBlob(blob), bytes: bytes.length, durable: true });
      written++;
    }
    return written;
  }

  /** What would be left. */
  async #foresee(tail: LogPosition): Promise<CoreProblem[]> {
    const damaged = this.#damagedSegments();
    const map = await SegmentMap.of(this.#parts, this.#sources, tail, this.#pace);
    const mended = new Map<number, SegmentPlan>();
    for (const number of this.#numbersToPlan(damaged, map)) {
      const plan = await map.plan(number, this.#pace);
      if (plan) mended.set(number, plan);
      for (const copy of plan?.copies ?? []) copy.close();
    }
    this.#indexRebuilt = mended.size > 0 || isIndexWrong(this.#before);
    const left = this.#before.filter((problem) => !isMended(problem, mended, map, tail.segment));
    const copies = await this.#copiesOf(digestsOf(left));
    const kept: CoreProblem[] = [];
    for (const problem of left) {
      const isGone = problem.kind === "index" && !problem.digest;
      if (!isGone && !(problem.digest && (await copies.read(problem.digest)))) kept.push(problem);
    }
    return kept;
  }
}

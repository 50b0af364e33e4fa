import type { CallOptions, PrunedVersion } from "./api.ts";
import type { EngineCore } from "./engine.ts";
import { BATCH_HEADER_BYTES, SEGMENT_HEADER_BYTES } from "./log/format.ts";
import { Fate } from "./prune-candidates.ts";
import type { TakenPolicy } from "./prune-policy.ts";
import { checkClock, nothingLeft, unreachable } from "./prune-refusals.ts";
import { PruneScan } from "./prune-scan.ts";
import type { EngineSnapshot } from "./snapshot.ts";

export interface PlanOptions extends CallOptions {
  /** Go on although nothing would be left, or the clock can't be right. */
  force?: boolean;
  /** As far as `maxSize` can be reached, instead of an error where it can't. */
  asFarAsPossible?: boolean;
  /** Where records take more bytes than this, those of what was deleted are to go too. */
  historyBytesMax?: number;
}

/** What a policy lets go, and what that frees. Nothing was changed yet. */
export interface PrunePlan {
  scan: PruneScan;
  /** Numbers of candidates, the oldest first. */
  victims: Uint32Array;
  protected: string[];
  plannedBytes: number;
  /** Whether the records of what was deleted are to go too. */
  forgets: boolean;
  /** What the log takes at most once the victims are deleted and it is compacted. */
  logBytes: number;
  /** The operation that it was made behind. */
  sequence: number;
}

/** What deleting a version adds to its record at most: when it was saved. */
const CREATED_BYTES = 48;
/** No store has smaller ones. */
const SEGMENT_BYTES_MIN = 16 * 1024;
/** Everybody else waits for about 4 ms meanwhile. */
export const DELETES_PER_COMMIT = 100;

/** @throws INVALID_ARGUMENT for a clock that can't be right, a plan that leaves nothing, a size that can't be reached */
export async function planPrune(
  core: EngineCore,
  policy: TakenPolicy,
  now: number,
  options: PlanOptions,
): Promise<PrunePlan> {
  const snapshot = core.snapshot();
  try {
    const { sequence } = snapshot;
    const scan = new PruneScan(core, policy, options);
    await scan.run(snapshot);
    // Others may have saved since the call began, which is no fault of the clock.
    if (policy.byClock && !options.force) checkClock(Math.max(now, core.now()), scan.oldest, snapshot.time);
    const plan = new Planning(scan, policy, core.fileSpace().logBytes, snapshot).plan(options);
    if (scan.liveVersions > 0 && plan.victims.length === scan.liveVersions && !options.force)
      throw nothingLeft(scan.liveVersions);
    return { ...plan, scan, sequence };
  } finally {
    snapshot.close();
  }
}

class Planning {
  readonly #scan: PruneScan;
  readonly #snapshot: EngineSnapshot;
  readonly #policy: TakenPolicy;
  /** What the log takes without what is dead already. */
  readonly #bytes: number;

  constructor(scan: PruneScan, policy: TakenPolicy, logBytes: number, snapshot: EngineSnapshot) {
    this.#scan = scan;
    this.#snapshot = snapshot;
    this.#policy = policy;
    this.#bytes = logBytes - scan.deadBytes;
  }

  plan({ asFarAsPossible = false, historyBytesMax }: PlanOptions): Omit<PrunePlan, "scan" | "sequence"> {
    const { candidates } = this.#scan;
    const { maxSize } = this.#policy;
    if (this.#policy.onlyMaxSize) this.#keepNewest();
    const all = candidates.oldestFirst();
    const going = candidates.letGo(this.#scan.release, this.#snapshot);
    const forgets = historyBytesMax !== undefined && this.#bytes - this.#scan.liveBytes > historyBytesMax;
    let cost = 0;
    let count = 0;
    const isCompacted = () => count > 0 || this.#scan.deadBytes > 0;
    const bytesLeft = () => this.#bytes + cost + (isCompacted() ? overhead(count, cost) : 0) - going.bytes;
    for (; count < all.length && !(maxSize !== undefined && bytesLeft() <= maxSize); count++) {
      const bytes = candidates.recordBytes(all[count]!);
      cost += forgets ? -bytes : bytes + CREATED_BYTES;
      going.add(all[count]!);
    }
    if (maxSize !== undefined && bytesLeft() > maxSize && !asFarAsPossible)
      throw unreachable(maxSize, bytesLeft(), count);
    const victims = all.subarray(0, count);
    return {
      victims,
      protected: this.#protected(victims),
      plannedBytes: going.bytes,
      forgets,
      // Where nothing goes a full segment may still be followed by an empty one.
      logBytes: bytesLeft() + (isCompacted() ? 0 : SEGMENT_HEADER_BYTES),
    };
  }

  /** Of a policy that asks for nothing but a size, the newest version of all stays. */
  #keepNewest(): void {
    const { candidates } = this.#scan;
    let newest = -1;
    for (let candidate = 0; candidate < candidates.count; candidate++)
      if (newest < 0 || candidates.sequence(candidate) > candidates.sequence(newest)) newest = candidate;
    if (newest >= 0 && candidates.fate(newest) === Fate.goes) candidates.setFate(newest, Fate.stays);
  }

  /** With a size: those that would have been among the oldest that go. */
  #protected(victims: Uint32Array): string[] {
    const { candidates } = this.#scan;
    const last = victims.at(-1);
    const until =
      this.#policy.maxSize === undefined
        ? Number.POSITIVE_INFINITY
        : last === undefined
          ? Number.NEGATIVE_INFINITY
          : candidates.sequence(last);
    const refs: string[] = [];
    for (let candidate = 0; candidate < candidates.count; candidate++)
      if (candidates.fate(candidate) === Fate.protected && candidates.sequence(candidate) <= until)
        refs.push(candidates.ref(candidate));
    return refs;
  }
}

/** What batches and segments add that are begun for deletions that take so many bytes; compaction and what is full already begin one too. */
function overhead(deletions: number, bytes: number): number {
  const commits = Math.ceil(deletions / DELETES_PER_COMMIT);
  const segments = 2 + Math.ceil(Math.max(0, bytes) / SEGMENT_BYTES_MIN);
  return commits * BATCH_HEADER_BYTES + segments * SEGMENT_HEADER_BYTES;
}

export function prunedVersions({ scan: { candidates }, victims }: PlannedVersions): PrunedVersion[] {
  const versions = new Array<PrunedVersion>(victims.length);
  // A Date takes more than all else here, and most of many versions were saved together.
  let createdAt = new Date(0);
  for (let at = 0; at < victims.length; at++) {
    const victim = victims[at]!;
    const time = candidates.time(victim);
    if (createdAt.getTime() !== time) createdAt = new Date(time);
    versions[at] = { ref: candidates.ref(victim), size: candidates.size(victim), createdAt };
  }
  return versions;
}

type PlannedVersions = Pick<PrunePlan, "scan" | "victims">;

import { VarveError } from "../../errors.ts";
import { LogReader } from "../../log/reader.ts";
import { listSegments, listSuperseded } from "../../log/segment.ts";
import { Pace } from "../pace.ts";
import type { Hold } from "../pack.ts";
import { bytesOf } from "../space.ts";
import type { Run, SegmentSpace } from "./choose.ts";
import { isWorth, planRuns, without } from "./choose.ts";
import type { Ground } from "./condemn.ts";
import { condemn, findNeeded, forgive, turnToWhole } from "./condemn.ts";
import type { Decision, SourceParts } from "./decide.ts";
import { decide } from "./decide.ts";
import { finishLeft } from "./finish.ts";
import type { History } from "./history.ts";
import { withCatalog } from "./pages.ts";
import type { CompactCoreOptions, CompactParts, CoreCompact } from "./parts.ts";
import { CompactorLock, isStartOver, startOver } from "./parts.ts";
import { foresee, newReport, planFor } from "./plan.ts";
import { publishRewritten } from "./publish.ts";
import { findStranded, repoint } from "./repoint.ts";
import { Retirement } from "./retire.ts";
import { DamagedSource } from "./source.ts";

/** How often what was decided may become void before that is told. */
const TRIES_MAX = 5;
/** Dead blobs at a time: some of the digest of each is kept in memory. */
const BLOBS_MAX = 2_000_000;
/** Of what is free on the disk, old and new files may take this part at a time. */
const PART_OF_FREE = 4;

/**
 * Gives the space of what nothing needs any more back: segments of the log are written again without it, and the new files
 * take the places of the old ones. All of it goes on beside readers and writers, and whoever dies in it leaves a store that
 * works: the next compaction ends what was begun.
 */
export async function compactLog(parts: CompactParts, options: CompactCoreOptions): Promise<CoreCompact> {
  if (options.dryRun) return foresee(parts, options);
  const lock = await CompactorLock.take(parts);
  try {
    return await new Compaction(parts, lock, options).run();
  } catch (error) {
    throw await lock.explain(error);
  } finally {
    await lock.release();
  }
}

class Compaction {
  readonly #parts: CompactParts;
  readonly #lock: CompactorLock;
  readonly #options: CompactCoreOptions;
  readonly #pace: Pace;
  readonly #retirement: Retirement;
  readonly #report: CoreCompact;
  #isIndexWrong = false;
  readonly #progress = { phase: "compact", done: 0, total: 0, unit: "bytes" as const };

  constructor(parts: CompactParts, lock: CompactorLock, options: CompactCoreOptions) {
    this.#parts = parts;
    this.#lock = lock;
    this.#options = options;
    this.#pace = Pace.courteous(options);
    this.#retirement = new Retirement(parts, lock);
    this.#report = newReport(parts, false);
  }

  async run(): Promise<CoreCompact> {
    await this.#pace.turn();
    for (let tries = 1; ; tries++) {
      try {
        await this.#compact();
        break;
      } catch (error) {
        if (!isStartOver(error) || tries === TRIES_MAX) throw error;
      }
    }
    await this.#retirement.removeAll(this.#options.readersWaitMax, this.#pace);
    if (this.#isIndexWrong) await this.#parts.suspectIndex();
    else await this.#packIndex();
    const { files, folder, identity } = this.#parts;
    this.#report.waitingBytes = bytesOf(files, folder, listSuperseded(files, folder, identity));
    this.#report.logBytesAfter = bytesOf(files, folder, this.#listSegments());
    return this.#report;
  }

  /** While nobody else moves records. */
  #packIndex(): Promise<void> {
    const hold: Hold = (action) => this.#lock.hold(action);
    const { indexSparedPart: sparedPart } = this.#options;
    return this.#parts.packIndex({ hold, pace: this.#pace, sparedPart });
  }

  #listSegments(): number[] {
    const { files, folder, identity } = this.#parts;
    return listSegments(files, folder, identity);
  }

  async #compact(): Promise<void> {
    const { files, folder, identity, segmentBytesMax } = this.#parts;
    const { deadShare } = this.#options;
    // Files that were replaced meanwhile are opened anew.
    const reader = new LogReader(files, folder, identity);
    try {
      await this.#parts.settle();
      await finishLeft(this.#with(reader, this.#listSegments()), this.#retirement);
      reader.forget();
      await this.#retirement.removeSome();
      const { spaces, history } = await planFor(
        this.#parts,
        this.#options,
        reader,
        this.#listSegments(),
        this.#pace,
      );
      this.#report.skipped.push(...(history?.problems ?? []));
      const newest = [...spaces.values()].at(-1);
      if (newest && isWorth(newest, deadShare)) await this.#parts.seal();
      const tail = await this.#lock.hold((state) => state.tail.segment);
      const sealed = [...spaces.values()].filter(({ id }) => id < tail);
      const runs = planRuns(sealed, deadShare, segmentBytesMax);
      await this.#forgiveOthers(sealed, runs);
      this.#progress.done = 0;
      this.#progress.total = 2 * runs.flat().reduce((sum, { bytes }) => sum + bytes, 0);
      while (runs.length > 0) await this.#rewriteSome(runs, reader, history);
    } finally {
      reader.close();
    }
  }

  #with(reader: LogReader, ids: readonly number[]) {
    return { parts: this.#parts, lock: this.#lock, reader, ids, pace: this.#pace };
  }

  /** What an earlier compaction was about to drop stays after all. */
  async #forgiveOthers(spaces: readonly SegmentSpace[], runs: readonly Run[]): Promise<void> {
    const chosen = new Set(runs.flat().map(({ id }) => id));
    const others = spaces.filter(({ id, condemned }) => condemned > 0 && !chosen.has(id));
    if (others.length === 0) return;
    await forgive(this.#parts, this.#lock, new Set(others.map(({ id }) => id)), this.#pace);
  }

  /** As many runs from the beginning as there is room for beside their old files. */
  #takeRound(runs: Run[]): Run[] {
    const { files, home, segmentBytesMax } = this.#parts;
    const { roundBytesMax = Number.POSITIVE_INFINITY } = this.#options;
    const room = Math.max(segmentBytesMax, Math.min(roundBytesMax, files.freeBytes(home) / PART_OF_FREE));
    let bytes = 0;
    let blobs = 0;
    let count = 0;
    for (const run of runs) {
      bytes += run.reduce((sum, space) => sum + space.bytes, 0);
      blobs += run.reduce((sum, space) => sum + space.deadBlobs, 0);
      if (count > 0 && (bytes > room || blobs > BLOBS_MAX)) break;
      count++;
    }
    return runs.splice(0, count);
  }

  async #rewriteSome(runs: Run[], reader: LogReader, history: History | undefined): Promise<void> {
    const round = this.#takeRound(runs);
    const ids = new Set(round.flat().map(({ id }) => id));
    const old = new Set<number>();
    try {
      const deadBlobs = round.flat().reduce((sum, space) => sum + space.deadBlobs, 0);
      const needed = await findNeeded(this.#parts, ids, deadBlobs, this.#pace);
      if (needed.size > 0) this.#tellNeeded(needed);
      const ground = await condemn(this.#parts, this.#lock, ids, needed, this.#pace);
      await withCatalog(this.#parts, async (catalog) => {
        while (round.length > 0) {
          const run = round.shift()!;
          const source: SourceParts = {
            ...{ reader, catalog, history },
            ids: this.#listSegments(),
            pace: this.#pace,
            onBatch: (bytes) => this.#tell(bytes),
          };
          for (const id of await this.#rewrite(source, run, ground, round)) old.add(id);
        }
      });
    } catch (error) {
      await this.#undo(ids, old, reader);
      throw error;
    }
    await this.#retire(old, reader);
  }

  /** Gives the segments that another one stands for now, which nothing names any more: all of the run, or none. */
  async #rewrite(source: SourceParts, run: Run, ground: Ground, round: Run[]): Promise<number[]> {
    let decision: Decision;
    let id: number | undefined;
    // Repair may have taken one away.
    if (!run.every((space) => source.ids.includes(space.id))) throw startOver();
    source.catalog.refresh();
    try {
      decision = await decide(source, run);
      if (decision.freedBytes === 0 && run.length === 1) return [];
      await turnToWhole(this.#parts, this.#lock, decision.healed);
      await this.#makeRoom(decision.bytes);
      id = await publishRewritten(this.#parts, this.#lock, source, run, decision, ground);
    } catch (error) {
      if (!(error instanceof DamagedSource)) throw error;
      const { segment } = error.problem;
      this.#report.skipped.push(error.problem);
      source.history?.keep(segment);
      await forgive(this.#parts, this.#lock, new Set([segment]), this.#pace);
      round.unshift(...without(run, segment, this.#options.deadShare));
      return [];
    }
    this.#report.segments += run.length;
    this.#report.blobs += decision.blobs;
    this.#report.records += decision.records;
    this.#report.freedBytes += decision.freedBytes;
    const old = run.map((space) => space.id);
    await repoint(this.#with(source.reader, this.#listSegments()), old, id);
    return old;
  }

  /** @throws NO_SPACE */
  async #makeRoom(bytes: number): Promise<void> {
    const { files, home } = this.#parts;
    if (files.freeBytes(home) >= neededFor(bytes)) return;
    await this.#retirement.removeAll(this.#options.readersWaitMax, this.#pace);
    const free = files.freeBytes(home);
    if (free >= neededFor(bytes)) return;
    throw new VarveError("NO_SPACE", `only ${free} bytes are free on the disk of the store`, {
      hint: `free some space: the next new file needs ${neededFor(bytes)} bytes before the old one goes`,
    });
  }

  /** Old files of this round that nothing names any more go when nobody reads them. */
  async #retire(old: Set<number>, reader: LogReader): Promise<void> {
    if (old.size === 0) return;
    const kept = await findStranded(this.#with(reader, this.#listSegments()), old);
    for (const id of kept) old.delete(id);
    await this.#retirement.add(old);
    // Who has them open last frees what they took: not here.
    reader.forget();
    await this.#retirement.removeSome();
  }

  /** What was not rewritten is as it was before; what was is done. @param ids of the round @param old as `#rewrite` gave */
  async #undo(ids: ReadonlySet<number>, old: Set<number>, reader: LogReader): Promise<void> {
    const calm = Pace.courteous({});
    try {
      // Where a new file has its name nobody may go back to what that lacks, whatever failed behind it.
      const inEffect = this.#listSegments().filter((id) => ids.has(id));
      await forgive(this.#parts, this.#lock, new Set(inEffect), calm);
      await this.#retire(old, reader);
    } catch {
      // The next compaction does it.
    }
  }

  #tell(bytes: number): void {
    this.#progress.done += bytes;
    if (this.#pace.isDue()) this.#pace.tell({ ...this.#progress });
  }

  /** Once nothing is decided by this index any more, it is made anew. */
  #tellNeeded(needed: ReadonlySet<string>): void {
    for (const name of needed) {
      const digest = Buffer.from(name, "latin1").toString("hex");
      this.#parts.onTrouble(
        `the index counts no reference to the blob sha256:${digest}, which a row refers to: it is kept`,
      );
    }
    this.#isIndexWrong = true;
  }
}

/** The new file, and what the index may grow by. */
function neededFor(bytes: number): number {
  return bytes + 4 * 1024 * 1024;
}

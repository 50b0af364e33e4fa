import { statSync } from "node:fs";
import type { BackupReport } from "./api.ts";
import { fromSystemError, VarveError } from "./errors.ts";
import { LogReader } from "./log/reader.ts";
import type { LogProblem } from "./log/scan.ts";
import { scanLog } from "./log/scan.ts";
import { LOG_START, listSegments, listSuperseded, segmentPath } from "./log/segment.ts";
import { BackupClaim } from "./maintenance/backup/claim.ts";
import { areOneFile } from "./maintenance/backup/copy.ts";
import {
  checkOwner,
  checkPlace,
  makeBackupFolder,
  nearestThere,
  removeTracesOfUse,
} from "./maintenance/backup/folder.ts";
import type { BackedUpLog, BackupPlan } from "./maintenance/backup/plan.ts";
import { planBackup } from "./maintenance/backup/plan.ts";
import type { Written } from "./maintenance/backup/writer.ts";
import { BackupWriter, copyConfig } from "./maintenance/backup/writer.ts";
import { logFolder } from "./maintenance/home.ts";
import type { PaceOptions } from "./maintenance/pace.ts";
import { Pace } from "./maintenance/pace.ts";
import { damagedPayload } from "./maintenance/replay.ts";
import { bytesOf } from "./maintenance/space.ts";

/** What it needs of the engine. */
export interface BackupParts extends BackedUpLog {
  /** The real path. */
  home: string;
  /** Files of the log that are in effect stay until the release. */
  holdEpoch(): () => void;
}

export interface BackupCoreOptions extends PaceOptions {
  copy: boolean;
  verify: boolean;
  dryRun: boolean;
}

export interface CoreBackup extends Omit<BackupReport, "folder" | "dryRun" | "problems"> {
  problems: LogProblem[];
}

/** Files that are gone under a backup are those of a process that was stopped for long. */
const PLANS_MAX = 10;

/** Brings the backup in `folder` to the state that the store is in now; what is there of it already stays. */
export async function backupCore(
  parts: BackupParts,
  folder: string,
  options: BackupCoreOptions,
): Promise<CoreBackup> {
  const release = parts.holdEpoch();
  try {
    const { files, home, identity } = parts;
    checkPlace(files, home, folder);
    const backup = new Backup(parts, folder, options);
    if (files.exists(logFolder(folder))) checkOwner(files, logFolder(folder), identity);
    return options.dryRun ? await backup.foresee() : await backup.run();
  } catch (error) {
    throw fromSystemError(error, `backing up to ${folder}`, {
      hint: "the backup that was there is as whole as it was; see that its folder can be written to and has room, and back up again",
    });
  } finally {
    release();
  }
}

class Backup {
  readonly #parts: BackupParts;
  readonly #folder: string;
  /** Of the backup. */
  readonly #log: string;
  readonly #options: BackupCoreOptions;
  readonly #pace: Pace;

  constructor(parts: BackupParts, folder: string, options: BackupCoreOptions) {
    this.#parts = parts;
    this.#folder = folder;
    this.#log = logFolder(folder);
    this.#options = options;
    this.#pace = new Pace(options);
  }

  async foresee(): Promise<CoreBackup> {
    const { home } = this.#parts;
    const plan = await this.#plan();
    if (!plan) return this.foresee();
    const canLink = !this.#options.copy && statSync(home).dev === statSync(nearestThere(this.#folder)).dev;
    const written = { copiedBytes: 0, linkedBytes: 0 };
    for (const { isKept, isSealed, bytes } of plan.segments)
      if (!isKept) written[canLink && isSealed ? "linkedBytes" : "copiedBytes"] += bytes;
    return this.#report(plan, written, []);
  }

  async run(): Promise<CoreBackup> {
    const { files, home } = this.#parts;
    makeBackupFolder(files, this.#folder);
    const claim = await BackupClaim.take(files, this.#log);
    try {
      claim.removeLeft();
      const { plan, writer } = await this.#bringing(claim);
      copyConfig(home, this.#folder);
      const problems = this.#options.verify ? await this.#verify(plan.tail.sequence) : [];
      // What is damaged may have been better in what it took the place of.
      if (problems.length === 0) this.#removeSuperseded();
      claim.release();
      return this.#report(plan, writer.written, problems);
    } catch (error) {
      claim.giveUp();
      throw error;
    } finally {
      claim.end();
    }
  }

  /** Everything that the backup lacks is there in the end, and counts. */
  async #bringing(claim: BackupClaim): Promise<{ plan: BackupPlan; writer: BackupWriter }> {
    const { files, folder } = this.#parts;
    const writer = new BackupWriter(files, folder, this.#log, this.#options.copy, this.#pace);
    try {
      for (let plans = 1; ; plans++) {
        const plan = await this.#plan();
        if (plan && (await writer.prepare(plan))) {
          const { names } = writer;
          if (Object.keys(names).length > 0) removeTracesOfUse(this.#folder);
          claim.fulfil(names);
          return { plan, writer };
        }
        if (plans === PLANS_MAX) throw changing();
      }
    } catch (error) {
      // Once names were promised, the files are needed.
      if (!claim.isFulfilling) writer.discard();
      throw error;
    }
  }

  #plan(): Promise<BackupPlan | undefined> {
    return planBackup(this.#parts, this.#log, { copy: this.#options.copy, pace: this.#pace });
  }

  #removeSuperseded(): void {
    const { files, identity } = this.#parts;
    const superseded = listSuperseded(files, this.#log, identity);
    for (const id of superseded) files.remove(segmentPath(this.#log, id));
    if (superseded.length > 0) files.syncFolder(this.#log);
  }

  async #verify(sequence: number): Promise<LogProblem[]> {
    const { files, identity } = this.#parts;
    const ids = listSegments(files, this.#log, identity);
    const total = bytesOf(files, this.#log, ids);
    const reader = new LogReader(files, this.#log, identity);
    const problems: LogProblem[] = [];
    let done = 0;
    try {
      for (const found of scanLog(reader, ids, LOG_START, sequence)) {
        if ("problem" in found) problems.push(found.problem);
        else {
          problems.push(...found.batch.records.filter(({ sound }) => !sound).map(damagedPayload));
          done += found.batch.header.length;
        }
        if (!this.#pace.isDue()) continue;
        this.#pace.tell({ phase: "verify", done, total, unit: "bytes" });
        await this.#pace.turn();
      }
    } finally {
      reader.close();
    }
    return problems;
  }

  #report({ tail, segments }: BackupPlan, written: Written, problems: LogProblem[]): CoreBackup {
    const kept = segments.filter(({ isKept }) => isKept);
    const { folder } = this.#parts;
    const shared = kept.filter(({ id }) => areOneFile(segmentPath(folder, id), segmentPath(this.#log, id)));
    const sum = (some: readonly { bytes: number }[]) => some.reduce((all, { bytes }) => all + bytes, 0);
    return {
      sequence: tail.sequence,
      segments: segments.length,
      unchanged: kept.length,
      copiedBytes: written.copiedBytes,
      linkedBytes: written.linkedBytes + sum(shared),
      bytes: sum(segments),
      problems,
    };
  }
}

function changing(): VarveError {
  return new VarveError("UNAVAILABLE", "the log was rewritten again and again while it was backed up", {
    hint: "the earlier backup is as it was; try again when nothing is compacted",
  });
}

import { fromSystemError, VarveError } from "./errors.ts";
import type { LockEnvironment } from "./index/lock.ts";
import { markUnclean } from "./index/mark.ts";
import type { SharedState } from "./index/shared-state.ts";
import type { IndexView } from "./index-view.ts";
import type { FileSystem } from "./log/file.ts";
import type { LogReader } from "./log/reader.ts";
import type { LogProblem } from "./log/scan.ts";
import { listSegments } from "./log/segment.ts";
import { logFolder } from "./maintenance/home.ts";
import type { IndexSource } from "./maintenance/index-source.ts";
import type { WrittenAgain } from "./maintenance/write-again.ts";
import { lossOf, pointAgain, writeAgain } from "./maintenance/write-again.ts";

/** A batch as who waits for it knows it. */
export interface BatchMark {
  sequence: number;
  /** `SharedState.losses` when it was written or read: a number that was given again is not this batch. */
  losses: number;
}

/** A sync that failed, and the newest batch that it was to cover. */
export interface SyncAttempt extends BatchMark {
  segment: number;
}

export interface FailedSyncSettings {
  files: FileSystem;
  lockWaitMax: number;
  now(): number;
  onProblem(problem: LogProblem): void;
}

/** "lost": taken out of the log after a failed sync, or nobody can tell any more. */
export type Fate = "durable" | "open" | "lost";

/**
 * The procedure after a failed sync, in two steps under the lock. First all processes are told, and that holds even if
 * this one dies here: nobody acknowledges a batch or gives it out on the strength of a sync of its own while the mark is set. Then
 * what is in doubt, of every process, is written again elsewhere. Whoever meets the mark does the second step himself.
 */
export class FailedSync {
  readonly #folder: string;
  readonly #source: IndexSource;
  readonly #view: IndexView;
  readonly #reader: LogReader;
  readonly #settings: FailedSyncSettings;
  #last: Promise<void> = Promise.resolve();
  #failure: VarveError | undefined;
  /** What was left at the last loss that this process saw to. */
  #kept: BatchMark | undefined;

  constructor(
    folder: string,
    source: IndexSource,
    view: IndexView,
    reader: LogReader,
    settings: FailedSyncSettings,
  ) {
    this.#folder = folder;
    this.#source = source;
    this.#view = view;
    this.#reader = reader;
    this.#settings = settings;
  }

  /** Set once the procedure failed in this process: then it writes nothing more. */
  get failure(): VarveError | undefined {
    return this.#failure;
  }

  /** How often batches were lost, as this process knows it. */
  get losses(): number {
    return (this.#source.lock?.state() ?? this.#source.state).losses;
  }

  fateOf({ sequence, losses }: BatchMark): Fate {
    if (losses === this.losses) return sequence <= this.#view.durableSequence ? "durable" : "open";
    return this.#kept?.losses === losses && sequence <= this.#kept.sequence ? "durable" : "lost";
  }

  /**
   * Resolves when nothing is in doubt any more.
   * @param attempt the sync of this process that failed; without it, another one's did
   * @throws with the outcome unknown when the disk still fails
   */
  recover(attempt?: SyncAttempt): Promise<void> {
    const run = () => this.#recover(attempt);
    this.#last = this.#last.then(run, run);
    return this.#last;
  }

  async #recover(attempt: SyncAttempt | undefined): Promise<void> {
    if (this.#failure) throw this.#failure;
    const { lock } = this.#source;
    if (!lock) throw afterFailedSync();
    const contradicted = attempt && (await this.#tell(lock, attempt));
    if (contradicted) throw contradicted;
    try {
      await lock.holdWithin(this.#settings.lockWaitMax, () => this.#settle(lock));
    } catch (error) {
      const failure = stillFailing(error);
      // A full disk gets room again, and who has the lock gives it back; the mark stays until then. A disk that fails
      // otherwise is written to no more.
      if (failure.code === "IO") this.#failure = failure;
      throw failure;
    }
  }

  /** Gives an error that the procedure can't help against. */
  async #tell(lock: LockEnvironment, attempt: SyncAttempt): Promise<VarveError | undefined> {
    try {
      return await lock.holdWithin(this.#settings.lockWaitMax, () => this.#mark(lock, attempt));
    } catch (error) {
      this.#failure = stillFailing(error);
      throw this.#failure;
    }
  }

  #mark(lock: LockEnvironment, { segment, sequence }: SyncAttempt): VarveError | undefined {
    const state = this.#source.stateUnderLock();
    if (segment >= state.tail.segment) lock.setState({ ...state, syncFailed: true });
    else if (this.#wasRolled(state, segment, sequence)) return contradicted(segment);
    // Else another process met the failure too, and has written again what counts.
    return undefined;
  }

  /** Whether another process ended the segment behind `sequence` by a sync of its own that did not fail. */
  #wasRolled({ identity }: SharedState, segment: number, sequence: number): boolean {
    const ids = listSegments(this.#settings.files, logFolder(this.#folder), identity);
    // Where it was rewritten since, all that counts of it was read back and is on the disk.
    if (!ids.includes(segment)) return false;
    const next = ids.find((id) => id > segment);
    if (next === undefined) return false;
    const { previousNumber, previousSequence } = this.#reader.segment(next).header;
    return previousNumber === segment && previousSequence >= sequence;
  }

  #settle(lock: LockEnvironment): void {
    const state = this.#source.stateUnderLock();
    if (state.syncFailed) this.#writeAgain(lock, state);
    const { tail, logEpoch, durableSequence } = this.#source.stateUnderLock();
    this.#view.follow(tail.sequence, logEpoch);
    this.#view.raiseDurable(durableSequence);
  }

  #writeAgain(lock: LockEnvironment, state: SharedState): void {
    const { files, now, onProblem } = this.#settings;
    const durableSequence = Math.max(state.durableSequence, this.#view.durableSequence);
    const written = writeAgain(files, logFolder(this.#folder), { ...state, durableSequence }, now());
    const applied = this.#source.catalog.applied()?.sequence ?? 0;
    const loss = lossOf(written, Math.max(state.tail.sequence, applied));
    const losses = state.losses + (loss ? 1 : 0);
    this.#turnIndex(lock, state, { ...written, state: { ...written.state, losses } });
    if (!loss) return;
    this.#kept = { sequence: written.state.tail.sequence, losses: state.losses };
    onProblem(loss);
  }

  /** Nothing is stored before all has been done: until then the mark stays, and the next one begins again. */
  #turnIndex(lock: LockEnvironment, before: SharedState, written: WrittenAgain): void {
    if (this.#isPointed(before, written)) {
      lock.setState({ ...written.state, indexUnclean: true });
      return;
    }
    lock.setState(written.state);
    try {
      this.#source.rebuild();
    } catch (error) {
      lock.setState(before);
      throw error;
    }
  }

  #isPointed(before: SharedState, written: WrittenAgain): boolean {
    const { state, catalog, indexFolder } = this.#source;
    if (state.generation !== before.generation || before.indexSuspect) return false;
    try {
      if (!before.indexUnclean) markUnclean(indexFolder);
      return pointAgain(catalog, written);
    } catch {
      // Full or damaged: one that is made anew may do.
      return false;
    }
  }
}

/** Another sync of the same segment did not fail, so the log went on; only this process knows what that is worth. */
function contradicted(segment: number): VarveError {
  return new VarveError("IO", `a sync of segment ${segment} of the log failed in this process only`, {
    outcome: "unknown",
    hint: "check the disk; whether the last operations of this process are safe is not known",
  });
}

function stillFailing(error: unknown): VarveError {
  const { code, message } = fromSystemError(error, "writing again what a failed sync left in doubt");
  const passes = code === "NO_SPACE" || code === "UNAVAILABLE" ? code : undefined;
  return new VarveError(passes ?? "IO", message, {
    outcome: "unknown",
    cause: error,
    hint: passes
      ? STILL_FAILING_HINTS[passes]
      : "the disk failed to confirm the last writes; check it, then close all users of the store and open it again",
  });
}

const STILL_FAILING_HINTS = {
  NO_SPACE: "free some space; then the next save or delete writes again what the disk did not confirm",
  UNAVAILABLE:
    "end the process that has the lock; then the next save writes again what the disk did not confirm",
};

/** For a call that wrote nothing. */
export function afterFailedSync(cause?: VarveError): VarveError {
  const message = "a sync of the log failed, and what it left in doubt could not be written again yet";
  return new VarveError(cause?.code ?? "IO", `${message}: nothing is written now`, {
    hint: cause?.hint ?? "close all users of the store, check the disk, and open it again",
    ...(cause === undefined ? {} : { cause }),
  });
}

/** For who waited for a batch. */
export function lostAfterFailedSync(): VarveError {
  return new VarveError("IO", "after a failed sync the last operations could not be read back", {
    outcome: "unknown",
    hint: "check the disk, then look whether the operation took effect, and repeat it if not",
  });
}

import type { Gap } from "../../index/gap.ts";
import type { LogReader } from "../../log/reader.ts";
import type { LogProblem, ScannedBatch } from "../../log/scan.ts";
import { scanLog } from "../../log/scan.ts";
import type { LogPosition } from "../../log/segment.ts";
import { gapOf } from "../gap.ts";
import type { Replay } from "../replay.ts";
import { damagedPayload } from "../replay.ts";
import type { RunSize } from "./run.ts";
import { Run } from "./run.ts";
import type { Waiting } from "./sorted.ts";
import { waitInFile, waitInMemory, waitingPath } from "./sorted.ts";

/** What a part of the log means to an index: its runs, each sorted, and what could not be read. */
export interface Part {
  result: Replay;
  gaps: Gap[];
  rows: Waiting[];
  blobs: Waiting[];
}

export interface PartOptions {
  /** Where all runs but the last one wait. */
  scratchFolder: string;
  runSize: RunSize;
  /** The number of the first run: later ones have higher numbers. */
  firstRun: number;
  /** Asked at each batch. */
  onBatch?(): void;
}

/** As `scanLog` has them. */
export interface Stretch {
  ids: readonly number[];
  from: LogPosition;
  durableSequence: number | undefined;
  until: LogPosition | undefined;
}

/** Sorts what the log has, run by run. */
export class PartReader {
  readonly #reader: LogReader;
  readonly #options: PartOptions;
  readonly #run: Run;
  readonly #problems: LogProblem[] = [];
  readonly #gaps: Gap[] = [];
  readonly #rows: Waiting[] = [];
  readonly #blobs: Waiting[] = [];
  #batches = 0;
  /** Of the run in memory. */
  #number: number;

  constructor(reader: LogReader, options: PartOptions) {
    this.#reader = reader;
    this.#options = options;
    this.#number = options.firstRun;
    this.#run = new Run(options.runSize);
  }

  /** Adds what a stretch of the log has, behind what was read before. Gives where that ends. */
  read({ ids, from, durableSequence, until }: Stretch): Pick<Replay, "position" | "torn"> {
    const scan = scanLog(this.#reader, ids, from, durableSequence, until, "views");
    let before = from;
    for (;;) {
      const next = scan.next();
      if (next.done) return next.value;
      if ("problem" in next.value) {
        this.#problems.push(next.value.problem);
        const gap = gapOf(this.#reader, ids, next.value.problem, before);
        if (gap) this.#gaps.push(gap);
      } else {
        before = next.value.batch.end;
        this.#addBatch(next.value.batch);
      }
    }
  }

  #addBatch({ header, records }: ScannedBatch): void {
    for (const record of records) {
      if (!record.sound) this.#problems.push(damagedPayload(record));
      if (this.#run.add(record, header.sequence, header.time)) continue;
      this.#putAway();
      this.#run.add(record, header.sequence, header.time);
    }
    this.#batches++;
    this.#options.onBatch?.();
  }

  /** Makes room for the next run. */
  #putAway(): void {
    const run = this.#run;
    const number = this.#number++;
    const { scratchFolder: folder } = this.#options;
    this.#rows.push(waitInFile(number, waitingPath(folder, "rows", number), run.rows, run.sortedRows()));
    const { buffer } = run.blobs;
    this.#blobs.push(waitInFile(number, waitingPath(folder, "blobs", number), buffer, run.sortedBlobs()));
    run.clear();
  }

  /** All that was read; there is no more. */
  end(end: Pick<Replay, "position" | "torn">): Part {
    const run = this.#run;
    const rows = waitInMemory(this.#number, run.rows, run.sortedRows());
    const blobs = waitInMemory(this.#number, run.blobs.buffer, run.sortedBlobs());
    return {
      result: { ...end, problems: this.#problems, batches: this.#batches },
      gaps: this.#gaps,
      rows: [...this.#rows, rows],
      blobs: [...this.#blobs, blobs],
    };
  }
}

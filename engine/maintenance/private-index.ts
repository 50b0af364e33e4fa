import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VarveError } from "../errors.ts";
import { pidNamespace, processStart } from "../index/boot.ts";
import { Catalog } from "../index/catalog.ts";
import type { SharedState } from "../index/shared-state.ts";
import { NOTHING_NOTED } from "../index/shared-state.ts";
import { LogReader } from "../log/reader.ts";
import { LOG_START, listSegments, segmentPath } from "../log/segment.ts";
import type { Home } from "./home.ts";
import { logFolder } from "./home.ts";
import { endAfterLoss } from "./missing-end.ts";
import { ReadOnlySource } from "./read-only-source.ts";
import { replay } from "./replay.ts";

/** Of the folders that processes make here, by which one that is gone is told. */
const OWN_PREFIX = `varve-index-${pidNamespace()}-`;

/** What processes left that were killed. */
function removeLeft(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(OWN_PREFIX) ? /^(\d+)-/.exec(name.slice(OWN_PREFIX.length))?.[1] : undefined;
    if (pid === undefined || processStart(Number(pid)) !== undefined) continue;
    try {
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
    } catch {
      // Another user's.
    }
  }
}

/**
 * An index of a read-only store's own, in a temporary folder: for a disk that can't be written to, and where the index
 * in the home is missing or not to be trusted.
 */
export class PrivateIndex extends ReadOnlySource {
  readonly indexFolder: string;
  readonly catalog: Catalog;
  readonly #home: Home;
  readonly #reader: LogReader;
  #state: SharedState;
  #logEnd = "";

  /** @param durableSequence what is known to have been on the disk from elsewhere than the log */
  constructor(home: Home, identity: SharedState["identity"], durableSequence: number) {
    super();
    this.#home = home;
    removeLeft();
    this.indexFolder = mkdtempSync(join(tmpdir(), `${OWN_PREFIX}${process.pid}-`));
    this.catalog = new Catalog(this.indexFolder);
    this.catalog.begin(identity.storeId);
    this.#reader = new LogReader(home.files, logFolder(home.folder), identity);
    this.#state = {
      identity,
      tail: LOG_START,
      durableSequence,
      generation: 0,
      indexUnclean: true,
      ...NOTHING_NOTED,
    };
    try {
      this.refresh();
    } catch (error) {
      void this.close();
      throw error;
    }
  }

  get state(): SharedState {
    return this.#state;
  }

  refresh(): SharedState {
    const folder = logFolder(this.#home.folder);
    const numbers = listSegments(this.#home.files, folder);
    const end = this.#endOf(numbers);
    if (end === this.#logEnd) return this.#state;
    const { tail, durableSequence } = this.#state;
    const { position, problems } = replay(this.#reader, numbers, this.catalog, tail, { durableSequence });
    for (const problem of problems) if (problem.kind !== "missing") this.#home.onProblem(problem);
    endAfterLoss(this.#home, this.catalog, position, durableSequence);
    this.#logEnd = end;
    this.#settle(position.segment);
    this.#state = {
      ...this.#state,
      tail: position,
      durableSequence: Math.max(durableSequence, position.sequence),
    };
    return this.#state;
  }

  sharedState(): SharedState {
    return this.refresh();
  }

  /** Changes whenever the log has grown. */
  #endOf(numbers: readonly number[]): string {
    const newest = numbers.at(-1) ?? 0;
    return `${newest} ${this.#home.files.sizeOf(segmentPath(logFolder(this.#home.folder), newest))}`;
  }

  /** What is read must be on the disk; on one that can't be written to it is. */
  #settle(segment: number): void {
    try {
      if (segment > 0) this.#reader.segment(segment).file.sync();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "EROFS" && code !== "EINVAL" && !(error instanceof VarveError)) throw error;
    }
  }

  async heal(): Promise<boolean> {
    return false;
  }

  async close(): Promise<void> {
    this.#reader.close();
    await this.catalog.release();
    rmSync(this.indexFolder, { recursive: true, force: true });
  }
}

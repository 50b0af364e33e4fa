import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VarveError } from "../errors.ts";
import { pidNamespace, processStart } from "../index/boot.ts";
import { Catalog } from "../index/catalog.ts";
import type { SharedState } from "../index/shared-state.ts";
import { NOTHING_NOTED } from "../index/shared-state.ts";
import { isRetired, LogReader } from "../log/reader.ts";
import { LOG_START, listSegments } from "../log/segment.ts";
import { segmentGeneration } from "../log/segment-id.ts";
import type { Home } from "./home.ts";
import { logFolder } from "./home.ts";
import { endAfterLoss } from "./missing-end.ts";
import { ReadOnlySource } from "./read-only-source.ts";
import { replay } from "./replay.ts";

const TRIES_MAX = 10;

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
  readonly #home: Home;
  readonly #reader: LogReader;
  #made: { folder: string; catalog: Catalog };
  #state: SharedState;
  /** Of the segments that were there when the log was read. */
  #ids: number[] = [];
  /** What the log was found to be when its end was read. */
  #logSeen = "";

  /** @param durableSequence what is known to have been on the disk from elsewhere than the log */
  constructor(home: Home, identity: SharedState["identity"], durableSequence: number) {
    super();
    this.#home = home;
    removeLeft();
    this.#reader = new LogReader(home.files, logFolder(home.folder), identity);
    this.#state = {
      identity,
      tail: LOG_START,
      durableSequence,
      generation: 0,
      indexUnclean: true,
      ...NOTHING_NOTED,
    };
    this.#made = newIndex(identity.storeId);
    try {
      this.refresh();
    } catch (error) {
      void this.close();
      throw error;
    }
  }

  /** Nobody is told that it reads: where files went under it, it begins anew. */
  get registered(): undefined {
    return undefined;
  }

  get state(): SharedState {
    return this.#state;
  }

  get catalog(): Catalog {
    return this.#made.catalog;
  }

  get indexFolder(): string {
    return this.#made.folder;
  }

  refresh(): SharedState {
    for (let tries = 1; ; tries++) {
      try {
        return this.#follow();
      } catch (error) {
        // A file went while it was read: the next look finds what stands for it.
        if (!isRetired(error) || tries === TRIES_MAX) throw error;
      }
    }
  }

  #follow(): SharedState {
    const seen = this.#look();
    if (seen === this.#logSeen) return this.#state;
    // A backup that is brought up to date gets longer files in the place of those that are open.
    this.#reader.forget();
    this.#state = { ...this.#state, logEpoch: this.#state.logEpoch + 1 };
    const numbers = listSegments(this.#home.files, logFolder(this.#home.folder), this.#state.identity);
    // Rows name places in what was rewritten since.
    const known = this.#ids;
    if (known.length > 0 && numbers.some((id) => isRewritten(id) && !known.includes(id))) this.#beginAnew();
    this.#ids = numbers;
    this.#goOn(numbers);
    this.#logSeen = seen;
    return this.#state;
  }

  #goOn(numbers: number[]): void {
    const { tail, durableSequence } = this.#state;
    const { position, problems } = replay(this.#reader, numbers, this.catalog, tail, { durableSequence });
    for (const problem of problems) if (problem.kind !== "missing") this.#home.onProblem(problem);
    endAfterLoss(this.#home, this.catalog, position, durableSequence);
    this.#settle(position.segment);
    this.#state = {
      ...this.#state,
      tail: position,
      durableSequence: Math.max(durableSequence, position.sequence),
    };
  }

  sharedState(): SharedState {
    return this.refresh();
  }

  /** Changes whenever the log has grown, or files of it were replaced. */
  #look(): string {
    const { files, folder } = this.#home;
    const names = files.list(logFolder(folder)).filter((name) => name.endsWith(".varve"));
    const newest = names.sort().at(-1);
    return [...names, newest === undefined ? 0 : files.sizeOf(join(logFolder(folder), newest))].join(" ");
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

  async goOver(): Promise<void> {}

  async heal(): Promise<boolean> {
    this.#beginAnew();
    this.refresh();
    return true;
  }

  /** Who still reads in what there was goes on until he looks again: the files have no names any more, and are there. */
  #beginAnew(): void {
    const { folder, catalog } = this.#made;
    this.#made = newIndex(this.#state.identity.storeId);
    this.#logSeen = "";
    this.#reader.forget();
    this.#state = { ...this.#state, tail: LOG_START, logEpoch: this.#state.logEpoch + 1 };
    void catalog.release();
    rmSync(folder, { recursive: true, force: true });
  }

  async close(): Promise<void> {
    this.#reader.close();
    await this.catalog.release();
    rmSync(this.indexFolder, { recursive: true, force: true });
  }
}

function newIndex(storeId: string): { folder: string; catalog: Catalog } {
  const folder = mkdtempSync(join(tmpdir(), `${OWN_PREFIX}${process.pid}-`));
  const catalog = new Catalog(folder);
  catalog.begin(storeId);
  return { folder, catalog };
}

const isRewritten = (id: number) => segmentGeneration(id) > 0;

import { setImmediate as turn } from "node:timers/promises";
import type { ArtifactStore } from "../../engine/api.ts";
import { VarveError } from "../../engine/errors.ts";
import type { Random } from "../helpers/random.ts";
import { isPackedSoon } from "./packing.ts";
import type { DrawnChange, Parts } from "./power-cut-changes.ts";
import { DrawnChanges, isArtifact } from "./power-cut-changes.ts";
import type { TakenStates } from "./power-cut-check.ts";
import { observe } from "./power-cut-check.ts";
import type { Attempt } from "./power-cut-history.ts";
import { History } from "./power-cut-history.ts";
import { Moments } from "./power-cut-moments.ts";
import { drawRead } from "./power-cut-reads.ts";
import { openBusy } from "./power-cut-store.ts";
import { SimulatedDisk } from "./simulated-disk.ts";
import { oneFault } from "./simulated-faults.ts";

export interface WorkloadSettings {
  /** The store's home; it may not exist yet. */
  home: string;
  random: Random;
  steps: number;
  /** States taken at each moment beside those that are always taken. */
  draws: number;
  segmentBytesMax: number;
  faults: boolean;
  parts: Parts;
}

/** One step in so many saves in parts. */
const PARTS_ONE_IN: Record<Parts, number> = { none: Number.POSITIVE_INFINITY, small: 4, large: 2 };

/**
 * Random use of a store over a simulated disk: two handles that save, one durable and one buffered, and one that only
 * reads, as another process would. Takes the states that a power cut could leave around every call to the disk.
 */
export class Workload {
  readonly disk: SimulatedDisk;
  readonly history: History;
  readonly #settings: WorkloadSettings;
  readonly #random: Random;
  readonly #changes: DrawnChanges;
  readonly #moments: Moments;
  readonly #hasParts: boolean;
  #durable!: ArtifactStore;
  #buffered!: ArtifactStore;
  #reader: ArtifactStore | undefined;
  #running = new Set<Promise<void>>();
  #inFault = false;
  #mayHaveCompacted = false;

  constructor(settings: WorkloadSettings) {
    this.#settings = settings;
    this.#random = settings.random;
    this.#hasParts = settings.parts !== "none";
    this.history = new History(this.#hasParts);
    this.#changes = new DrawnChanges(settings.random, settings.parts, `${settings.home}-files`);
    this.disk = new SimulatedDisk(settings.home);
    this.#moments = new Moments(this.disk, this.history, settings.random, settings.draws);
    this.disk.hooks = {
      moment: ({ kind }, phase) => this.#moments.take(`${phase} ${kind}`),
      delay: () => this.#delay(),
      deceived: () => this.#deceived(),
    };
  }

  get taken(): TakenStates {
    return this.#moments.taken;
  }

  get counts(): Record<string, number> {
    return this.#moments.counts;
  }

  async run(): Promise<void> {
    await this.#open();
    for (let step = 0; step < this.#settings.steps; step++) {
      await this.#step();
      if (this.history.violations.length > 0) break;
    }
    await this.#quiet();
    await this.#close();
    if (this.disk.openFiles > 0)
      this.history.violations.push(`${this.disk.openFiles} files are open after closing`);
    this.history.violations.push(...this.disk.misuse);
  }

  async #step(): Promise<void> {
    const { faults, parts } = this.#settings;
    const chosen = this.#random.below(100);
    if (this.#random.next() * PARTS_ONE_IN[parts] < 1) await this.#changeInParts();
    else if (faults && chosen < 12) await this.#withFault();
    else if (chosen < 58) this.#change();
    else if (chosen < 72) this.#read();
    else if (chosen < 77) await this.#changeAlone();
    else if (chosen < 84) this.#compact();
    else if (chosen < 88) await this.#quiet();
    else if (chosen < 91) await this.#rebuild();
    else if (chosen < 95) await this.#packIndex();
    else await this.#reopen();
    // Mostly one at a time; else what follows is called while this is under way.
    if (this.#random.below(3) > 0) await Promise.allSettled(this.#running);
  }

  // What changes the store

  #change(): void {
    const durable = this.#random.below(3) > 0;
    const store = durable ? this.#durable : this.#buffered;
    this.#attempt(durable, this.#changes.draw(store, this.history.tip.model));
  }

  /** What must see all that was done, and nothing that is under way. */
  async #changeAlone(): Promise<void> {
    await this.#quiet();
    const drawn = this.#changes.drawAlone(this.#durable, this.history.tip.model);
    if (!drawn) return;
    this.#mayHaveCompacted ||= !drawn.mayBeGone;
    this.#attempt(true, drawn);
    await this.#quiet();
  }

  /** With readers and compactions beside it, sometimes: also in the middle of it, when what is written is only pinned. */
  async #changeInParts(): Promise<void> {
    await this.#quiet();
    this.#saveInParts();
    if (this.#random.below(3) === 0) this.#read();
    for (let left = this.#random.below(4); left > 0; left--) {
      for (let turns = this.#random.below(40); turns > 0; turns--) await turn();
      if (this.#running.size === 0) break;
      this.#compact();
    }
    await this.#quiet();
  }

  #saveInParts(): void {
    const durable = this.#random.below(3) > 0;
    const store = durable ? this.#durable : this.#buffered;
    this.#moments.count("saves in parts");
    if (this.#random.below(6) === 0) this.#giveUp(store);
    else this.#attempt(durable, this.#changes.saveInParts(store));
  }

  #giveUp(store: ArtifactStore): void {
    const givenUp = this.#changes.giveUp(store).catch((error) => {
      if (!(error instanceof VarveError && this.#inFault))
        this.history.violations.push(`a save was given up otherwise: ${(error as Error).stack}`);
    });
    this.#track(givenUp.then(() => this.#moments.take("given up")));
  }

  /** Beside whatever is under way. */
  #compact(): void {
    const store = this.#random.below(2) === 0 ? this.#durable : this.#buffered;
    const options = this.#random.below(3) === 0 ? { deadShare: 0.3 } : {};
    this.#mayHaveCompacted = true;
    const done = store.compact(options).then(
      () => this.#moments.count("compactions"),
      (error) => {
        // One compacts at a time.
        if (error instanceof VarveError && (error.code === "CONFLICT" || this.#inFault)) return;
        this.history.violations.push(`a compaction failed: ${(error as Error).stack}`);
      },
    );
    this.#track(done.then(() => this.#moments.take("compacted")));
  }

  #attempt(durable: boolean, { change, call, mayBeGone }: DrawnChange): void {
    const attempt = this.history.attempt(change);
    this.#moments.count("changes");
    const done = call().then(
      (result) => {
        this.history.succeeded(attempt, durable, isArtifact(result) ? result : undefined);
        this.#moments.take("change done");
      },
      (error) => {
        const isGone = mayBeGone && error instanceof VarveError && error.code === "NOT_FOUND";
        if (isGone && this.#mayHaveCompacted) this.history.refused(attempt);
        else this.#failed(attempt, error);
      },
    );
    this.#track(done);
  }

  #failed(attempt: Attempt, error: unknown): void {
    if (!this.#inFault || !(error instanceof VarveError)) {
      this.history.violations.push(`a call failed without a fault: ${(error as Error).stack}`);
      return;
    }
    this.#moments.count(error.outcome ? "failures of unknown outcome" : "failures");
    if (error.outcome === "unknown") this.history.doubtful();
    else this.history.refused(attempt);
    this.#moments.take("change failed");
  }

  // What is given to readers

  #read(): void {
    const read = drawRead(this.#random, [this.#durable, this.#buffered, this.#reader], this.history);
    if (!read) return;
    this.#moments.count("reads");
    const done = read().catch((error) => {
      if (error instanceof VarveError && (error.code === "NOT_FOUND" || this.#inFault)) return;
      this.history.violations.push(`a read failed: ${(error as Error).stack}`);
    });
    this.#track(done.then(() => this.#moments.take("read done")));
  }

  // What happens to the store

  async #rebuild(): Promise<void> {
    await this.#quiet();
    this.#moments.count("rebuilds");
    await this.#durable.rebuildIndex();
    this.#moments.take("rebuilt");
  }

  /** It does so by itself, where nobody does anything. */
  async #packIndex(): Promise<void> {
    this.#attempt(true, this.#changes.save(this.#durable));
    await this.#quiet();
    if (await isPackedSoon(this.disk.home)) this.#moments.count("packings");
    this.#moments.take("packed");
  }

  async #reopen(): Promise<void> {
    await this.#quiet();
    await this.#close();
    await this.#open();
  }

  /** One change with one call to the disk that fails, and what comes of it. */
  async #withFault(): Promise<void> {
    await this.#quiet();
    this.#inFault = true;
    this.disk.hooks.fault = oneFault(this.#random, (kind) => this.#moments.count(`faults: ${kind}`));
    if (this.#hasParts && this.#random.below(2) === 0) this.#saveInParts();
    else this.#change();
    if (this.#random.below(2) === 0) this.#read();
    if (this.#random.below(3) === 0) this.#compact();
    await Promise.allSettled(this.#running);
    this.disk.hooks.fault = undefined;
    // With the disk in order again: what does the open store say now?
    const more = this.#random.below(3);
    for (let i = 0; i < more; i++) {
      this.#attempt(true, this.#changes.save(this.#durable));
      await Promise.allSettled(this.#running);
    }
    await this.#close().catch(() => {});
    this.#inFault = false;
    this.history.isDeceived = false;
    await this.#open();
  }

  async #open(): Promise<void> {
    const { segmentBytesMax } = this.#settings;
    this.#moments.count("openings");
    this.#durable = await openBusy(this.disk, { segmentBytesMax });
    this.#buffered = await openBusy(this.disk, { segmentBytesMax }, false);
    this.#reader = this.#random.below(3) > 0 ? await openBusy(this.disk, { readOnly: true }) : undefined;
    this.history.observed(await observe(this.#durable, this.#hasParts));
    // The next write settles whether a call of unknown outcome has taken effect.
    if (this.history.possible.length > 1) {
      this.#attempt(true, this.#changes.save(this.#durable));
      await this.#quiet();
    }
    this.#moments.take("opened");
  }

  async #close(): Promise<void> {
    const stores = [this.#reader, this.#buffered, this.#durable];
    const closed = await Promise.allSettled(stores.map((store) => store?.close()));
    for (const result of closed) {
      if (result.status === "rejected" && !this.#inFault)
        this.history.violations.push(`closing failed: ${result.reason}`);
    }
    this.#moments.noteIndexes();
    this.#moments.take("closed");
  }

  /** Waits until all that was called has returned. */
  async #quiet(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
    this.#moments.noteIndexes();
  }

  #track(done: Promise<void>): void {
    this.#running.add(done);
    void done.finally(() => this.#running.delete(done));
  }

  async #delay(): Promise<void> {
    for (let turns = this.#random.below(4); turns > 0; turns--) await turn();
  }

  #deceived(): void {
    this.#moments.count("deceiving syncs");
    this.history.isDeceived = this.#inFault;
  }
}

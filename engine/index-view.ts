import type { FamilyOf } from "./families.ts";
import { Families } from "./families.ts";
import type { Catalog } from "./index/catalog.ts";
import { isIndexReplaced } from "./index/damage.ts";
import type { EnvironmentRange, FirstOf } from "./index/lmdb.ts";
import type { BlobRow, Row } from "./index/rows.ts";
import type { LogReader } from "./log/reader.ts";
import type { IndexSource } from "./maintenance/index-source.ts";
import { EngineSnapshot } from "./snapshot.ts";

/** Within one burst of reads that never gives the event loop a turn, others' commits are seen after this long. */
const FRESH_MILLISECONDS = 10;

/**
 * What one process sees of the index, and how fresh that is: the read transaction is renewed at the first read of a
 * turn of the event loop, on a miss, and after 10 ms within one turn.
 */
export class IndexView {
  readonly #source: IndexSource;
  readonly #reader: LogReader;
  #catalog: Catalog;
  #durableSequence: number;
  #tailSequence: number;
  #logEpoch: number;
  /** Of epochs that something is read with: how much. */
  readonly #held = new Map<number, number>();
  #freshInTurn = false;
  #freshAt = 0;

  readonly families: Families;

  constructor(source: IndexSource, reader: LogReader, familyOf: FamilyOf | undefined) {
    this.#reader = reader;
    this.families = new Families(familyOf);
    this.#source = source;
    this.#catalog = source.catalog;
    // Its own hold: the source may go over to another generation while this one is still read.
    this.#catalog.retain();
    this.#durableSequence = source.state.durableSequence;
    this.#tailSequence = source.state.tail.sequence;
    this.#logEpoch = source.state.logEpoch;
  }

  get catalog(): Catalog {
    return this.#catalog;
  }

  /** Every batch up to this one is known to be on the disk. */
  get durableSequence(): number {
    return this.#durableSequence;
  }

  /** Of the state that is read: records that were moved since an earlier one are where the index says now. */
  get logEpoch(): number {
    return this.#logEpoch;
  }

  /** The oldest epoch that something is read with. */
  get oldestEpoch(): number {
    return Math.min(this.#logEpoch, ...this.#held.keys());
  }

  /** What the index names of the log from now on stays in its place until the release, which is to be called once. */
  holdEpoch(): () => void {
    const epoch = this.#logEpoch;
    this.#held.set(epoch, (this.#held.get(epoch) ?? 0) + 1);
    return () => {
      const left = this.#held.get(epoch)! - 1;
      if (left > 0) this.#held.set(epoch, left);
      else this.#held.delete(epoch);
    };
  }

  row(key: Uint8Array): Row | undefined {
    this.#freshen();
    return this.#row(key);
  }

  /** The row of a family of one key, which is made only where it is not known. */
  rowOf(family: string, keyOf: (family: string) => Buffer): { key: Buffer; row: Row } | undefined {
    const known = this.knownFirst(family);
    if (known) return known;
    const key = keyOf(family);
    const row = this.#row(key);
    if (!row) return undefined;
    const found = { key, row };
    this.families.found(family, found);
    return found;
  }

  #row(key: Uint8Array): Row | undefined {
    const row = this.#catalog.row(key);
    if (row) return row;
    this.refresh();
    return this.#catalog.row(key);
  }

  first(range: FirstOf): { key: Buffer; row: Row } | undefined {
    this.#freshen();
    const found = this.#catalog.first(range);
    if (found) return found;
    this.refresh();
    return this.#catalog.first(range);
  }

  /** The first row of a family, whose range is asked for only if it is not known. */
  firstOf(family: string, range: () => FirstOf): { key: Buffer; row: Row } | undefined {
    const known = this.knownFirst(family);
    if (known) return known;
    const found = this.first(range());
    if (found) this.families.found(family, found);
    return found;
  }

  knownFirst(family: string): { key: Buffer; row: Row } | undefined {
    this.#freshen();
    return this.families.get(family);
  }

  rows(range: EnvironmentRange): { key: Buffer; row: Row }[] {
    this.#freshen();
    return this.#catalog.rows(range);
  }

  /** A state of now; of the index in use too, where that can be had on this thread. */
  snapshot(): EngineSnapshot {
    try {
      this.refresh();
    } catch (error) {
      if (!isIndexReplaced(error)) throw error;
      this.#source.followNow();
      this.refresh();
    }
    return new EngineSnapshot(this.#catalog, this.holdEpoch());
  }

  /** The row as it is now, in whatever index is in use, for who found that what an earlier one names is gone. */
  async newestRow(key: Uint8Array): Promise<Row | undefined> {
    await this.goOver();
    return this.#catalog.row(key);
  }

  /** The same for the row of a blob. */
  async newestBlob(digest: Buffer): Promise<BlobRow | undefined> {
    await this.goOver();
    return this.#catalog.blob(digest);
  }

  /** As `refresh`, over to another generation too, waiting on another thread. */
  async goOver(): Promise<void> {
    try {
      this.refresh();
    } catch (error) {
      if (!isIndexReplaced(error)) throw error;
      await this.#source.goOver();
      this.refresh();
    }
  }

  /** Later reads see what other processes have committed. */
  refresh(): void {
    const state = this.#source.refresh();
    const { catalog } = this.#source;
    catalog.refresh();
    this.raiseDurable(state.durableSequence);
    // What is cached came from the index, which a process that was killed may have left ahead of the shared state.
    this.follow(catalog.applied()?.sequence ?? state.tail.sequence, state.logEpoch);
    this.#freshAt = performance.now();
    if (this.#freshInTurn) return;
    this.#freshInTurn = true;
    // After the promises of this turn, but before the next callback: what that one learned elsewhere must be seen here.
    process.nextTick(() => {
      this.#freshInTurn = false;
    });
  }

  /** Goes over to the state that the source is at. */
  follow(tailSequence: number, logEpoch: number): void {
    if (logEpoch !== this.#logEpoch) {
      this.#logEpoch = logEpoch;
      this.families.clear();
      this.#reader.forget();
    }
    if (tailSequence !== this.#tailSequence || this.#catalog !== this.#source.catalog) this.families.clear();
    this.#tailSequence = tailSequence;
    if (this.#catalog === this.#source.catalog) return;
    void this.#catalog.release();
    this.#catalog = this.#source.catalog;
    this.#catalog.retain();
  }

  /** Lets go of the index. */
  close(): Promise<void> {
    return this.#catalog.release();
  }

  raiseDurable(sequence: number): void {
    if (sequence > this.#durableSequence) this.#durableSequence = sequence;
  }

  /** This process has written up to `sequence`. */
  wrote(sequence: number): void {
    this.#tailSequence = sequence;
  }

  #freshen(): void {
    if (!this.#freshInTurn || performance.now() - this.#freshAt > FRESH_MILLISECONDS) this.refresh();
  }
}

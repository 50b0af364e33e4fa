import type { NameStats, StatsOptions, StoreStats } from "./api.ts";
import { allAliasesRange, isDeleted, namesRange, parseVersionKey } from "./artifact-record.ts";
import { countBlobs } from "./blob-stats.ts";
import { DigestTable } from "./digest-table.ts";
import type { EngineCore } from "./engine.ts";
import { throwIfAborted } from "./errors.ts";
import type { RawRow } from "./index/raw-rows.ts";
import { DIGEST_BYTES, recordBytes } from "./log/format.ts";
import { visitRows } from "./raw-walk.ts";

/** Look-ups of blobs between two turns of the event loop. */
const LOOKUPS_PER_TURN = 1024;

/** Counts what a store holds, by going over its index once. */
export async function storeStats(core: EngineCore, options: StatsOptions = {}): Promise<StoreStats> {
  const snapshot = core.snapshot();
  try {
    const counting = new Counting(core, options);
    const visit = (row: RawRow) => counting.version(row);
    for await (const count of visitRows(snapshot, namesRange(""), visit, options)) {
      await counting.lookUp();
      options.onProgress?.({ phase: "counting versions", done: count, unit: "artifacts" });
    }
    await counting.end();
    let aliases = 0;
    for await (const count of visitRows(snapshot, allAliasesRange(), () => {}, options)) aliases = count;
    const blobs = await countBlobs(snapshot, options);
    const files = core.fileSpace();
    return {
      ...counting.counts,
      aliases,
      ...blobs,
      ...files,
      logOverheadBytes: files.logBytes - blobs.blobBytes,
      sequence: snapshot.sequence,
      ...(options.byName ? { byName: counting.byName } : {}),
    };
  } finally {
    snapshot.close();
  }
}

/** A name, and how often its live versions refer to which blobs. */
interface CountedName {
  stats: NameStats;
  blobs: DigestTable;
  references: number[];
}

/** It counts where all its blobs are there. */
interface DeletedVersion {
  references: Buffer[];
  /** Of its name, where names are counted. */
  stats: NameStats | undefined;
}

class Counting {
  readonly counts = { names: 0, versions: 0, deletedVersions: 0, valueBytes: 0 };
  readonly byName: NameStats[] = [];
  readonly #core: EngineCore;
  readonly #options: StatsOptions;
  #nameKey: Buffer | undefined;
  #liveInName = 0;
  #current: CountedName | undefined;
  /** What waits for look-ups: the index is not asked while it is gone over. */
  #finished: CountedName[] = [];
  #deleted: DeletedVersion[] = [];
  #lookups = 0;

  constructor(core: EngineCore, options: StatsOptions) {
    this.#core = core;
    this.#options = options;
  }

  version(row: RawRow): void {
    if (!this.#nameKey || !row.keyBeginsWith(this.#nameKey, 4)) this.#beginName(row);
    const { stats } = this.#current ?? {};
    if (isDeleted(row)) {
      this.#deleted.push({ references: row.decoded().references, stats });
      return;
    }
    if (this.#liveInName++ === 0) this.counts.names++;
    this.counts.versions++;
    this.counts.valueBytes += row.blobLength;
    if (!stats) return;
    stats.versions++;
    stats.valueBytes += row.blobLength;
    this.#countReferences(row);
  }

  #countReferences({ valueBytes, referencesStart, referenceCount }: RawRow): void {
    const { blobs, references } = this.#current!;
    for (let i = 0; i < referenceCount; i++) {
      const blob = blobs.add(valueBytes, referencesStart + i * DIGEST_BYTES);
      references[blob] = (references[blob] ?? 0) + 1;
    }
  }

  #beginName(row: RawRow): void {
    const key = row.key();
    this.#nameKey = key.subarray(0, -4);
    this.#liveInName = 0;
    if (!this.#options.byName) return;
    this.#endName();
    const { name } = parseVersionKey(key);
    const stats = { name, versions: 0, deletedVersions: 0, valueBytes: 0, ownBytes: 0 };
    this.#current = { stats, blobs: new DigestTable(), references: [] };
  }

  #endName(): void {
    if (this.#current) this.#finished.push(this.#current);
    this.#current = undefined;
  }

  async end(): Promise<void> {
    this.#endName();
    await this.lookUp();
  }

  /** What the visited rows need to know of blobs. */
  async lookUp(): Promise<void> {
    for (const { references, stats } of this.#deleted.splice(0)) {
      await this.#pace();
      if (!references.every((digest) => this.#core.catalog.blob(digest))) continue;
      this.counts.deletedVersions++;
      if (stats) stats.deletedVersions++;
    }
    for (const { stats, blobs, references } of this.#finished.splice(0)) {
      for (let blob = 0; blob < blobs.count; blob++) {
        await this.#pace();
        const row = this.#core.catalog.blob(Buffer.from(blobs.digest(blob)));
        if (row && row.referenceCount === references[blob])
          stats.ownBytes += recordBytes(DIGEST_BYTES, row.place.payloadLength);
      }
      this.byName.push(stats);
    }
  }

  async #pace(): Promise<void> {
    if (++this.#lookups % LOOKUPS_PER_TURN > 0) return;
    await new Promise<void>((resolve) => setImmediate(resolve));
    throwIfAborted(this.#options.signal);
  }
}

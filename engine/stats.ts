import type { NameStats, StatsOptions, StoreStats } from "./api.ts";
import { allAliasesRange, namesRange, parseVersionKey } from "./artifact-key.ts";
import { decodeVersionContent, isDeleted, isElsewhere, isToldByContent } from "./artifact-record.ts";
import { countBlobs } from "./blob-stats.ts";
import { DigestTable } from "./digest-table.ts";
import type { EngineCore } from "./engine.ts";
import { throwIfAborted } from "./errors.ts";
import type { RawRow } from "./index/raw-rows.ts";
import type { Row } from "./index/rows.ts";
import { Release, releaseDead } from "./large/release.ts";
import { DIGEST_BYTES, recordBytes } from "./log/format.ts";
import { isWhole } from "./not-found.ts";
import { visitRows } from "./raw-walk.ts";
import type { EngineSnapshot } from "./snapshot.ts";

/** Look-ups of blobs between two turns of the event loop. */
const LOOKUPS_PER_TURN = 1024;

/** Counts what a store holds, by going over its index once. */
export async function storeStats(core: EngineCore, options: StatsOptions = {}): Promise<StoreStats> {
  const snapshot = core.snapshot();
  try {
    const counting = new Counting(core, snapshot, options);
    const visit = (row: RawRow) => counting.version(row);
    for await (const count of visitRows(snapshot, namesRange(""), visit, options)) {
      await counting.lookUp();
      options.onProgress?.({ phase: "counting versions", done: count, unit: "artifacts" });
    }
    await counting.end();
    let aliases = 0;
    for await (const count of visitRows(snapshot, allAliasesRange(), () => {}, options)) aliases = count;
    const blobs = await countBlobs(snapshot, options);
    const release = new Release(snapshot);
    const deadBytes = await releaseDead(core, snapshot, release, options.signal);
    const files = core.fileSpace();
    return {
      ...counting.counts,
      aliases,
      ...blobs,
      liveBlobBytes: blobs.liveBlobBytes - release.payloadBytes,
      deadBlobBytes: blobs.deadBlobBytes + deadBytes,
      deduplicatedBytes: blobs.deduplicatedBytes + counting.sharedBytes,
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

/** A version of which more has to be looked up. */
interface WaitingVersion {
  row: Row;
  /** Of its name, where names are counted. */
  stats: NameStats | undefined;
}

class Counting {
  readonly counts = { names: 0, versions: 0, deletedVersions: 0, valueBytes: 0 };
  readonly byName: NameStats[] = [];
  readonly #core: EngineCore;
  readonly #snapshot: EngineSnapshot;
  readonly #options: StatsOptions;
  #nameKey: Buffer | undefined;
  #liveInName = 0;
  #current: CountedName | undefined;
  /** What waits for look-ups: the index is not asked while it is gone over. */
  #finished: CountedName[] = [];
  /** Those count whose bytes are all there. */
  #deleted: WaitingVersion[] = [];
  /** Of live ones in chunks or elsewhere the content tells how long they are. */
  #toldByContent: (WaitingVersion & { key: Buffer })[] = [];
  /** Values in chunks that were met, by the digest of their root. */
  readonly #roots = new Set<string>();
  /** Of values in chunks that others are equal to. */
  sharedBytes = 0;
  #lookups = 0;

  constructor(core: EngineCore, snapshot: EngineSnapshot, options: StatsOptions) {
    this.#core = core;
    this.#snapshot = snapshot;
    this.#options = options;
  }

  version(row: RawRow): void {
    if (!this.#nameKey || !row.keyBeginsWith(this.#nameKey, 4)) this.#beginName(row);
    const { stats } = this.#current ?? {};
    if (isDeleted(row)) {
      this.#deleted.push({ row: row.decoded(), stats });
      return;
    }
    if (this.#liveInName++ === 0) this.counts.names++;
    this.counts.versions++;
    if (isToldByContent(row)) this.#toldByContent.push({ key: row.key(), row: row.decoded(), stats });
    else this.#countBytes(row.blobLength, stats);
    if (!stats) return;
    stats.versions++;
    this.#countReferences(row);
  }

  #countBytes(bytes: number, stats: NameStats | undefined): void {
    this.counts.valueBytes += bytes;
    if (stats) stats.valueBytes += bytes;
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
    for (const { row, stats } of this.#deleted.splice(0)) {
      await this.#pace();
      if (!isWhole(row, this.#core)) continue;
      this.counts.deletedVersions++;
      if (stats) stats.deletedVersions++;
    }
    for (const { key, row, stats } of this.#toldByContent.splice(0)) {
      await this.#pace();
      const { size = 0 } = decodeVersionContent(await this.#core.content(key, row));
      this.#countBytes(size, stats);
      if (isElsewhere(row)) continue;
      const root = row.references[0]!.toString("latin1");
      if (this.#roots.has(root)) this.sharedBytes += size;
      this.#roots.add(root);
    }
    for (const { stats, blobs, references } of this.#finished.splice(0)) {
      const release = new Release(this.#snapshot);
      for (let blob = 0; blob < blobs.count; blob++) {
        await this.#pace();
        const digest = Buffer.from(blobs.digest(blob));
        const row = this.#core.catalog.blob(digest);
        if (row?.referenceCount !== references[blob]) continue;
        stats.ownBytes += recordBytes(DIGEST_BYTES, row!.place.payloadLength) + release.letGo(digest);
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

import { AliasRows, aliasVersion } from "./alias-rows.ts";
import type { CallOptions } from "./api.ts";
import { namesRange, parseVersionKey } from "./artifact-key.ts";
import type { VersionContent } from "./artifact-record.ts";
import {
  decodeVersionContent,
  isChunked,
  isDeleted,
  isElsewhere,
  isRewritten,
  isToldByContent,
} from "./artifact-record.ts";
import type { EngineCore } from "./engine.ts";
import { isCorruption } from "./errors.ts";
import { isIndexDamage } from "./index/damage.ts";
import type { RawBlobRow, RawRow } from "./index/raw-rows.ts";
import type { Row } from "./index/rows.ts";
import { Release, releaseDead } from "./large/release.ts";
import { DIGEST_BYTES, recordBytes } from "./log/format.ts";
import { Candidates, Fate } from "./prune-candidates.ts";
import type { TakenPolicy } from "./prune-policy.ts";
import { judgeTags } from "./prune-policy.ts";
import { visitBlobs, visitRows } from "./raw-walk.ts";
import type { EngineSnapshot } from "./snapshot.ts";

/** A version whose content has to be read before it is clear what becomes of it. */
interface Unclear {
  candidate: number;
  key: Buffer;
  row: Row;
}

/** One pass over all versions, and one over all blobs: what a policy would let go, and what that would free. */
export class PruneScan {
  readonly candidates = new Candidates();
  /** What goes already with nodes that nothing needs, behind `run`. */
  release!: Release;
  liveVersions = 0;
  /** When the oldest version's row was written; infinite without versions. */
  oldest = Number.POSITIVE_INFINITY;
  /** Bytes of blobs that something needs, and of those that nothing needs, with their headers. */
  liveBytes = 0;
  deadBytes = 0;
  readonly #core: EngineCore;
  readonly #policy: TakenPolicy;
  readonly #options: CallOptions;
  readonly #readsTags: boolean;
  #unclear: Unclear[] = [];
  /** Of the name that rows are visited of: its key up to the version, and what was found so far. */
  #nameKey: Buffer = Buffer.alloc(0);
  #isNameNew = false;
  #nameGoes = false;
  #live = 0;

  constructor(core: EngineCore, policy: TakenPolicy, options: CallOptions) {
    this.#core = core;
    this.#policy = policy;
    this.#options = options;
    this.#readsTags = policy.tags.length + policy.keepTags.length > 0;
  }

  async run(snapshot: EngineSnapshot): Promise<void> {
    const aliases = new AliasRows(snapshot);
    let done = 0;
    // What is deleted is read again, and checked, before that.
    const walk = { ...this.#options, unchecked: true };
    const visit = (row: RawRow) => this.#version(row);
    for await (const count of visitRows(snapshot, namesRange(""), visit, walk)) {
      await this.#clear(done, aliases);
      done = this.candidates.count;
      this.#options.onProgress?.({ phase: "looking at versions", done: count, unit: "artifacts" });
    }
    this.candidates.beginBlobs();
    for await (const count of visitBlobs(snapshot, (row) => this.#blob(row), walk))
      this.#options.onProgress?.({ phase: "looking at values", done: count, unit: "records" });
    this.candidates.endBlobs();
    await this.#releaseDead(snapshot);
  }

  async #releaseDead(snapshot: EngineSnapshot): Promise<void> {
    this.release = new Release(snapshot, this.candidates);
    const bytes = await releaseDead(this.#core, snapshot, this.release, this.#options.signal);
    this.deadBytes += bytes;
    this.liveBytes -= bytes;
  }

  /** Called for every version, the newest of each name first: it makes nothing of those that stay. */
  #version(row: RawRow): void {
    if (!row.keyBeginsWith(this.#nameKey, 4)) this.#beginName(row);
    if (row.time < this.oldest) this.oldest = row.time;
    if (isDeleted(row)) return;
    this.liveVersions++;
    const newer = this.#live++;
    if (!this.#nameGoes || newer < this.#policy.keepLast) return;
    const rewritten = isRewritten(row);
    if (!rewritten && row.time >= this.#policy.before) return;
    this.#add(row, rewritten || this.#readsTags);
  }

  #add(row: RawRow, isUnclear: boolean): void {
    if (this.#isNameNew) this.candidates.beginName(parseVersionKey(row.key()).name);
    this.#isNameNew = false;
    const { keyBytes, keyEnd } = row;
    const version = 0xffff_ffff - versionBits(keyBytes, keyEnd);
    const bytes = recordBytes(keyEnd - row.keyStart, row.payloadLength);
    const candidate = this.candidates.add(version, row.sequence, row.time, bytes);
    if (isUnclear || isToldByContent(row))
      this.#unclear.push({ candidate, key: row.key(), row: row.decoded() });
    else this.#setBlobs(candidate, row);
  }

  #setBlobs(candidate: number, row: RawRow): void {
    const { valueBytes, referencesStart, referenceCount, blobLength } = row;
    this.candidates.setBlobs(candidate, valueBytes, referencesStart, referenceCount, blobLength);
  }

  #beginName(row: RawRow): void {
    const key = row.key();
    this.#nameKey = key.subarray(0, -4);
    const { name, keepName } = this.#policy;
    const text = parseVersionKey(key).name;
    this.#nameGoes = (name?.matches(text) ?? true) && !(keepName?.matches(text) ?? false);
    this.#isNameNew = true;
    this.#live = 0;
  }

  /** What becomes of the candidates from `first` on. */
  async #clear(first: number, aliases: AliasRows): Promise<void> {
    const unclear = this.#unclear;
    this.#unclear = [];
    for (const each of unclear) {
      const content = await this.#content(each);
      this.#judge(each, content);
    }
    this.#protectAliased(first, aliases);
  }

  async #content({ key, row }: Unclear): Promise<VersionContent | undefined> {
    try {
      return decodeVersionContent(await this.#core.content(key, row));
    } catch (error) {
      if (isIndexDamage(error) || !isCorruption(error)) throw error;
      return undefined;
    }
  }

  /** @param content undefined where it is damaged: then nobody knows whether it may go */
  #judge({ candidate, row }: Unclear, content: VersionContent | undefined): void {
    const { candidates } = this;
    const { sequence, time } = content?.created ?? row;
    candidates.setSaved(candidate, sequence, time);
    const { goes, protects } = judgeTags(this.#policy, content?.tags);
    if (!content) candidates.setFate(candidate, Fate.protected);
    else if (time >= this.#policy.before || !goes || this.#takesNothing(row))
      candidates.setFate(candidate, Fate.stays);
    else if (protects) candidates.setFate(candidate, Fate.protected);
    if (!content) return;
    if (isElsewhere(row)) {
      candidates.setSize(candidate, content.size ?? 0);
      return;
    }
    const blobLength = row.blob?.payloadLength ?? 0;
    candidates.setBlobs(candidate, Buffer.concat(row.references), 0, row.references.length, blobLength);
    if (isChunked(row))
      candidates.setChunked(candidate, { root: row.references[0]!, size: content.size ?? 0 });
  }

  /** Of the size that is asked for: what a backend keeps is not in the log. */
  #takesNothing(row: Row): boolean {
    return isElsewhere(row) && this.#policy.maxSize !== undefined;
  }

  #protectAliased(first: number, aliases: AliasRows): void {
    const { candidates } = this;
    let aliased = new Set<number>();
    for (let candidate = first; candidate < candidates.count; candidate++) {
      if (candidate === first || !candidates.isSameName(candidate, candidate - 1))
        aliased = aliasedVersions(aliases, candidates.name(candidate));
      if (candidates.fate(candidate) === Fate.goes && aliased.has(candidates.version(candidate)))
        candidates.setFate(candidate, Fate.protected);
    }
  }

  #blob(row: RawBlobRow): void {
    const { referenceCount, length } = row;
    const isThere = row.isPlaced && referenceCount > 0;
    if (isThere) this.liveBytes += recordBytes(DIGEST_BYTES, length);
    else if (row.isPlaced) this.deadBytes += recordBytes(DIGEST_BYTES, length);
    this.candidates.setBlob(row.digestBytes, row.digestStart, isThere ? referenceCount : 0, length);
  }
}

/** The last 4 bytes of a version's key. */
function versionBits(bytes: Uint8Array, end: number): number {
  return ((bytes[end - 4]! << 24) | (bytes[end - 3]! << 16) | (bytes[end - 2]! << 8) | bytes[end - 1]!) >>> 0;
}

function aliasedVersions(aliases: AliasRows, name: string): Set<number> {
  return new Set(aliases.aliasRows(name).map(({ row }) => aliasVersion(row)));
}

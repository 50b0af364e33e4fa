import type { PrunePolicy } from "../../engine/api.ts";
import { encodeValue } from "../../engine/codec/cbor.ts";
import { recordBytes } from "../../engine/log/format.ts";
import type { Random } from "../helpers/random.ts";

/** What pruning must do, in plain arrays. It knows nothing of how the store does it. */

/** Bytes that versions may share, as values or as code. */
export interface ModelBlob {
  value?: Buffer;
  code?: string;
  /** In the log, headers included. */
  bytes: number;
  /** Whether the log has it. */
  isThere: boolean;
}

export interface ModelVersion {
  name: string;
  version: number;
  ref: string;
  blobs: ModelBlob[];
  sequence: number;
  time: number;
  tags: Record<string, string>;
  isDeleted: boolean;
}

const DAY = 86_400_000;

export function newBlobs(random: Random): ModelBlob[] {
  const values = Array.from({ length: 12 }, (_, i) => {
    const value = Buffer.alloc(1 + random.below(20_000), i);
    return { value, bytes: recordBytes(32, value.length), isThere: false };
  });
  const codes = Array.from({ length: 3 }, (_, i) => {
    const code = `${i}`.repeat(600 + random.below(500));
    const { length } = encodeValue({ sources: [{ text: code }] });
    return { code, bytes: recordBytes(32, length), isThere: false };
  });
  return [...values, ...codes];
}

export class PruneModel {
  readonly blobs: ModelBlob[];
  versions: ModelVersion[] = [];
  /** `name@alias` to version. */
  readonly aliases = new Map<string, number>();

  constructor(random: Random) {
    this.blobs = newBlobs(random);
  }

  isNeeded(blob: ModelBlob, gone: ReadonlySet<ModelVersion> = new Set()): boolean {
    return this.versions.some(
      (version) => !version.isDeleted && !gone.has(version) && version.blobs.includes(blob),
    );
  }

  deadBytes(): number {
    return total(this.blobs.filter((blob) => blob.isThere && !this.isNeeded(blob)));
  }

  isAliased({ name, version }: ModelVersion): boolean {
    return [...this.aliases].some(([key, target]) => key.startsWith(`${name}@`) && target === version);
  }

  /** What a policy without a size lets go, oldest first, and what it would but for aliases and tags. */
  plan(policy: PrunePolicy, now: number): { goes: ModelVersion[]; isProtected: string[]; bytes: number } {
    const goes: ModelVersion[] = [];
    const isProtected: string[] = [];
    for (const version of this.live()) {
      if (!this.#isLetGo(version, policy, now)) continue;
      const keeps = Object.entries(policy.keepTags ?? {}).some(([key, tag]) => version.tags[key] === tag);
      if (keeps || this.isAliased(version)) isProtected.push(version.ref);
      else goes.push(version);
    }
    return { goes, isProtected: isProtected.sort(), bytes: this.freedBy(goes) };
  }

  /** Oldest first. */
  live(): ModelVersion[] {
    return this.versions.filter(({ isDeleted }) => !isDeleted).sort((a, b) => a.sequence - b.sequence);
  }

  freedBy(gone: readonly ModelVersion[]): number {
    const set = new Set(gone);
    return total(this.blobs.filter((blob) => this.isNeeded(blob) && !this.isNeeded(blob, set)));
  }

  #isLetGo(version: ModelVersion, { name, tags, keepLast, olderThan, keepName }: PrunePolicy, now: number) {
    const { length: newer } = this.live().filter(
      (other) => other.name === version.name && other.version > version.version,
    );
    const before = typeof olderThan === "string" ? now - Number.parseFloat(olderThan) * DAY : undefined;
    return (
      (name === undefined || version.name.startsWith(name.replace("*", ""))) &&
      (keepName === undefined || version.name !== keepName) &&
      Object.entries(tags ?? {}).every(([key, tag]) => version.tags[key] === tag) &&
      newer >= (keepLast ?? 0) &&
      (before === undefined || version.time < before)
    );
  }

  /** What nothing needs is not in the log any more. */
  compacted(): void {
    for (const blob of this.blobs) blob.isThere &&= this.isNeeded(blob);
  }
}

function total(blobs: readonly ModelBlob[]): number {
  return blobs.reduce((sum, { bytes }) => sum + bytes, 0);
}

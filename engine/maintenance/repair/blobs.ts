import { contentDigest } from "../../blob/digest.ts";
import { VarveError } from "../../errors.ts";
import { RecordKind } from "../../log/format.ts";
import type { LogReader, RecordPlace } from "../../log/reader.ts";
import { scanLog } from "../../log/scan.ts";
import { LOG_START } from "../../log/segment.ts";
import type { Pace } from "../pace.ts";

/** A log that may have a blob. */
export interface SearchedLog {
  reader: LogReader;
  numbers: readonly number[];
}

interface FoundBlob {
  reader: LogReader;
  place: RecordPlace;
}

/** Copies of blobs whose checksum is right, by digest; those of earlier logs first. */
export class BlobCopies {
  readonly #found = new Map<string, FoundBlob[]>();

  static async find(
    logs: readonly SearchedLog[],
    digests: readonly Buffer[],
    pace: Pace,
  ): Promise<BlobCopies> {
    const copies = new BlobCopies();
    for (const digest of digests) copies.#found.set(digest.toString("latin1"), []);
    if (digests.length > 0) for (const log of logs) await copies.#search(log, pace);
    return copies;
  }

  /** Bytes that have this digest. */
  async read(digest: Buffer): Promise<Buffer | undefined> {
    for (const { reader, place } of this.#found.get(digest.toString("latin1")) ?? []) {
      try {
        const bytes = await reader.read(place, RecordKind.blob, digest);
        if (contentDigest(bytes).equals(digest)) return bytes;
      } catch (error) {
        if (!(error instanceof VarveError)) throw error;
      }
    }
    return undefined;
  }

  async #search({ reader, numbers }: SearchedLog, pace: Pace): Promise<void> {
    for (const found of scanLog(reader, numbers, LOG_START)) {
      if ("problem" in found) continue;
      for (const { header, key, segment, offset, sound } of found.batch.records) {
        if (!sound || header.kind !== RecordKind.blob) continue;
        const { payloadLength } = header;
        this.#found.get(key.toString("latin1"))?.push({ reader, place: { segment, offset, payloadLength } });
      }
      if (pace.isDue()) await pace.turn();
    }
  }
}

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { checksum } from "../../engine/log/checksum.ts";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { FLAG_WEAK, RecordKind, SEGMENT_HEADER_BYTES } from "../../engine/log/format.ts";
import { GroupLayout } from "../../engine/log/layout.ts";
import { LogReader } from "../../engine/log/reader.ts";
import type { LogProblem, ScanEnd, ScannedBatch } from "../../engine/log/scan.ts";
import { scanLog } from "../../engine/log/scan.ts";
import type { LogPosition } from "../../engine/log/segment.ts";
import { createSegment, LOG_START, listSegments } from "../../engine/log/segment.ts";
import { newFolder } from "../helpers/folders.ts";

export const identity = { storeId: "0123456789abcdef0123456789abcdef", application: "artifact" };

export interface HandmadeRecord {
  kind: RecordKind;
  key: Buffer;
  references?: Buffer[];
  weak?: boolean;
  content?: Buffer;
}

/** A log made by hand, batch by batch. */
export class HandmadeLog {
  readonly folder = newFolder();
  /** What is known to be durable while the next batch is written. */
  durable: number | undefined;
  /** Ends of all batches, the start of the log first. */
  readonly ends: LogPosition[] = [];
  #salt: bigint;
  #end: LogPosition;

  constructor() {
    const { salt } = createSegment(nodeFileSystem, this.folder, 1, LOG_START, identity, 1000);
    this.#salt = salt;
    this.#end = { segment: 1, offset: SEGMENT_HEADER_BYTES, sequence: 0, time: 0, chain: 0n };
    this.ends.push(this.#end);
  }

  get end(): LogPosition {
    return this.#end;
  }

  get salt(): bigint {
    return this.#salt;
  }

  path(segment = this.#end.segment): string {
    return join(this.folder, `${String(segment).padStart(10, "0")}.varve`);
  }

  /** A batch of one blob and one put, as bytes. */
  lay(text: string, start = this.#end): { bytes: Buffer; end: LogPosition } {
    const content = Buffer.from(text);
    const blob = { kind: RecordKind.blob, key: Buffer.alloc(32, start.sequence), content };
    const put = { kind: RecordKind.put, key: Buffer.from(`key${start.sequence}`), content };
    return this.layRecords([blob, put], start);
  }

  layRecords(records: readonly HandmadeRecord[], start = this.#end): { bytes: Buffer; end: LogPosition } {
    const layout = new GroupLayout(start, this.#salt, this.durable ?? start.sequence);
    layout.beginBatch();
    for (const { kind, key, references = [], weak = false, content = Buffer.alloc(0) } of records) {
      const payload = Buffer.concat([...references, content]);
      const payloadChecksum = checksum(payload, this.#salt);
      const referenceCount = references.length;
      const flags = weak ? FLAG_WEAK : 0;
      layout.addRecord({ kind, flags, tag: 7, referenceCount, key, payload, payloadChecksum });
    }
    const end = layout.endBatch(start.sequence + 1, 1000 + start.sequence);
    return { bytes: Buffer.concat(layout.pieces()), end };
  }

  add(text: string): void {
    this.#addLaid(this.lay(text));
  }

  addRecords(records: readonly HandmadeRecord[]): void {
    this.#addLaid(this.layRecords(records));
  }

  #addLaid({ bytes, end }: { bytes: Buffer; end: LogPosition }): void {
    this.append(bytes);
    this.#end = end;
    this.ends.push(end);
  }

  append(bytes: Uint8Array): void {
    writeFileSync(this.path(), bytes, { flag: "a" });
  }

  /** A new segment that goes on behind `end`. */
  roll(end = this.#end, number = end.segment + 1): void {
    const { salt } = createSegment(nodeFileSystem, this.folder, number, end, identity, 1000);
    this.#salt = salt;
    this.#end = { ...end, segment: number, offset: SEGMENT_HEADER_BYTES };
  }

  scan(
    from = LOG_START,
    durableSequence?: number,
  ): { batches: ScannedBatch[]; problems: LogProblem[]; end: ScanEnd } {
    const reader = new LogReader(nodeFileSystem, this.folder, identity);
    try {
      const batches: ScannedBatch[] = [];
      const problems: LogProblem[] = [];
      const scan = scanLog(reader, listSegments(nodeFileSystem, this.folder), from, durableSequence);
      for (;;) {
        const next = scan.next();
        if (next.done) return { batches, problems, end: next.value };
        if ("batch" in next.value) batches.push(next.value.batch);
        else problems.push(next.value.problem);
      }
    } finally {
      reader.close();
    }
  }

  /** Texts of the puts that a scan finds. */
  texts(durableSequence?: number): string[] {
    return this.scan(LOG_START, durableSequence).batches.map(({ records }) => String(records[1]!.payload));
  }
}

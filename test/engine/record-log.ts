import { closeSync, openSync, readSync, statSync, writeSync } from "node:fs";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { RecordKind, SEGMENT_HEADER_BYTES } from "../../engine/log/format.ts";
import { listSegments } from "../../engine/log/segment.ts";
import type { Random } from "../helpers/random.ts";
import type { HandmadeRecord } from "../log/support.ts";
import { HandmadeLog } from "../log/support.ts";

/** A log made by hand, of which bits can be changed. */
export class RecordLog extends HandmadeLog {
  /** Changes a bit somewhere behind the header of a segment. */
  damage(random: Random): void {
    const numbers = listSegments(nodeFileSystem, this.folder);
    const path = this.path(numbers[random.below(numbers.length)]!);
    const behind = statSync(path).size - SEGMENT_HEADER_BYTES;
    if (behind > 0) this.flip(path, SEGMENT_HEADER_BYTES + random.below(behind), random.below(8));
  }

  flip(path: string, at: number, bit: number): void {
    const file = openSync(path, "r+");
    const byte = Buffer.alloc(1);
    readSync(file, byte, 0, 1, at);
    writeSync(file, Buffer.from([byte[0]! ^ (1 << bit)]), 0, 1, at);
    closeSync(file);
  }
}

interface Kind {
  /** Share of the references that are to blobs that the log does not have, or not yet. */
  unknown?: number;
  /** Bytes that are changed afterwards. */
  damaged?: number;
  batches?: number;
}

export function digestOf(n: number): Buffer {
  const digest = Buffer.alloc(32, 7);
  digest.writeUInt32BE(Math.imul(n + 1, 0x9e3779b1) >>> 0);
  digest.writeUInt32LE(Math.imul(n + 1, 0x85ebca6b) >>> 0, 4);
  return digest;
}

/** Names that share beginnings, one of which is the beginning of the next, and some with bytes at both ends. */
export function keyOf(random: Random, keys: number): Buffer {
  const n = random.below(keys);
  const tail = [Buffer.alloc(0), Buffer.from([0]), Buffer.from([0, 0, n % 3]), Buffer.from([0xff])][n % 4]!;
  return Buffer.concat([Buffer.from(n % 5 === 0 ? "b" : "artifact/"), Buffer.from(String(n >> 2)), tail]);
}

export function randomLog(random: Random, { unknown = 0, damaged = 0, batches = 120 }: Kind): RecordLog {
  const log = new RecordLog();
  const keys = [20, 300, 5_000][random.below(3)]!;
  const written: number[] = [];
  const someBlob = () => digestOf(written[random.below(written.length)]!);
  const refer = () => {
    if (random.next() < unknown) return digestOf(10_000 + random.below(50));
    return random.next() < 0.6 ? digestOf(written.at(-1)!) : someBlob();
  };
  const blob = (): HandmadeRecord => {
    // Often the same one again: a second copy.
    const isUnknown = unknown > 0 && random.next() < 0.1;
    const n = isUnknown ? 10_000 + random.below(50) : random.below(random.next() < 0.5 ? 40 : 4_000);
    written.push(n);
    return { kind: RecordKind.blob, key: digestOf(n), content: random.bytes(random.below(40)) };
  };
  const put = (): HandmadeRecord => ({
    kind: RecordKind.put,
    key: keyOf(random, keys),
    references: Array.from({ length: [0, 1, 1, 1, 2, 5][random.below(6)]! }, refer),
    weak: random.next() < 0.2,
    content: Buffer.alloc([0, 20, 250, 256, 257, 400][random.below(6)]!, random.below(256)),
  });
  for (let i = 0; i < batches; i++) {
    const records: HandmadeRecord[] = written.length === 0 ? [blob()] : [];
    for (let left = 1 + random.below(12); left > 0; left--) {
      const choice = random.next();
      if (choice < 0.4) records.push(blob());
      else if (choice < 0.85) records.push(put());
      else records.push({ kind: RecordKind.delete, key: keyOf(random, keys) });
    }
    log.addRecords(records);
    if (random.next() < 0.03) log.roll();
  }
  for (let left = damaged; left > 0; left--) log.damage(random);
  return log;
}

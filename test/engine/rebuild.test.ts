import { closeSync, openSync, readdirSync, readSync, statSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Catalog } from "../../engine/index/catalog.ts";
import { trustIn } from "../../engine/index/mark.ts";
import { APPLICATION_SPACE } from "../../engine/index/rows.ts";
import { checksum } from "../../engine/log/checksum.ts";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { FLAG_WEAK, RecordKind, SEGMENT_HEADER_BYTES } from "../../engine/log/format.ts";
import { GroupLayout } from "../../engine/log/layout.ts";
import { LogReader } from "../../engine/log/reader.ts";
import type { LogPosition } from "../../engine/log/segment.ts";
import { createSegment, LOG_START, listSegments, segmentPath } from "../../engine/log/segment.ts";
import type { LoadOptions } from "../../engine/maintenance/bulk-load.ts";
import { loadIndex } from "../../engine/maintenance/bulk-load.ts";
import { SortedInFile } from "../../engine/maintenance/bulk-merge.ts";
import {
  compareKeys,
  ENTRY_HEAD_BYTES,
  keyLengthAt,
  sortEntries,
} from "../../engine/maintenance/bulk-sort.ts";
import type { Replay } from "../../engine/maintenance/replay.ts";
import { replay } from "../../engine/maintenance/replay.ts";
import { newFolder, removeFolders } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, track } from "../helpers/stores.ts";

const test = suite("rebuild");
test.after.each(async () => {
  await closeAll();
  removeFolders();
});

const identity = { storeId: "0123456789abcdef0123456789abcdef", application: "artifact" };
/** As small as runs can be, so that a short log has several. */
const SMALL_RUNS = { rowBytes: 0, blobs: 0 };
/** Random logs of each kind. */
const LOGS = Number(process.env.VARVE_TEST_REBUILDS ?? 8);

interface RandomRecord {
  kind: RecordKind;
  key: Buffer;
  references?: Buffer[];
  weak?: boolean;
  content?: Buffer;
}

/** A log whose records are given one by one. */
class RecordLog {
  readonly folder = newFolder();
  /** What batches say is durable; default: all before them. */
  durable: number | undefined;
  #salt = 0n;
  #end: LogPosition = LOG_START;

  constructor() {
    this.roll();
  }

  get end(): LogPosition {
    return this.#end;
  }

  add(records: readonly RandomRecord[]): void {
    const layout = new GroupLayout(this.#end, this.#salt, this.durable ?? this.#end.sequence);
    layout.beginBatch();
    for (const { kind, key, references = [], weak = false, content = Buffer.alloc(0) } of records) {
      const payload = Buffer.concat([...references, content]);
      const payloadChecksum = checksum(payload, this.#salt);
      const referenceCount = references.length;
      const flags = weak ? FLAG_WEAK : 0;
      layout.addRecord({ kind, flags, tag: 3, referenceCount, key, payload, payloadChecksum });
    }
    this.#end = layout.endBatch(this.#end.sequence + 1, 1000 + this.#end.sequence * 3);
    writeFileSync(segmentPath(this.folder, this.#end.segment), Buffer.concat(layout.pieces()), { flag: "a" });
  }

  roll(): void {
    const segment = this.#end.segment + 1;
    this.#salt = createSegment(nodeFileSystem, this.folder, segment, this.#end, identity, 1000).salt;
    this.#end = { ...this.#end, segment, offset: SEGMENT_HEADER_BYTES };
  }

  /** Changes a bit somewhere behind the header of a segment. */
  damage(random: Random): void {
    const numbers = listSegments(nodeFileSystem, this.folder);
    const path = segmentPath(this.folder, numbers[random.below(numbers.length)]!);
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

function digestOf(n: number): Buffer {
  const digest = Buffer.alloc(32, 7);
  digest.writeUInt32BE(Math.imul(n + 1, 0x9e3779b1) >>> 0);
  digest.writeUInt32LE(Math.imul(n + 1, 0x85ebca6b) >>> 0, 4);
  return digest;
}

/** Names that share beginnings, one of which is the beginning of the next, and some with bytes at both ends. */
function keyOf(random: Random, keys: number): Buffer {
  const n = random.below(keys);
  const tail = [Buffer.alloc(0), Buffer.from([0]), Buffer.from([0, 0, n % 3]), Buffer.from([0xff])][n % 4]!;
  return Buffer.concat([Buffer.from(n % 5 === 0 ? "b" : "artifact/"), Buffer.from(String(n >> 2)), tail]);
}

function randomLog(random: Random, { unknown = 0, damaged = 0, batches = 120 }: Kind): RecordLog {
  const log = new RecordLog();
  const keys = [20, 300, 5_000][random.below(3)]!;
  const written: number[] = [];
  const someBlob = () => digestOf(written[random.below(written.length)]!);
  const refer = () => {
    if (random.next() < unknown) return digestOf(10_000 + random.below(50));
    return random.next() < 0.6 ? digestOf(written.at(-1)!) : someBlob();
  };
  const blob = (): RandomRecord => {
    // Often the same one again: a second copy.
    const isUnknown = unknown > 0 && random.next() < 0.1;
    const n = isUnknown ? 10_000 + random.below(50) : random.below(random.next() < 0.5 ? 40 : 4_000);
    written.push(n);
    return { kind: RecordKind.blob, key: digestOf(n), content: random.bytes(random.below(40)) };
  };
  const put = (): RandomRecord => ({
    kind: RecordKind.put,
    key: keyOf(random, keys),
    references: Array.from({ length: [0, 1, 1, 1, 2, 5][random.below(6)]! }, refer),
    weak: random.next() < 0.2,
    content: Buffer.alloc([0, 20, 250, 256, 257, 400][random.below(6)]!, random.below(256)),
  });
  for (let i = 0; i < batches; i++) {
    const records: RandomRecord[] = written.length === 0 ? [blob()] : [];
    for (let left = 1 + random.below(12); left > 0; left--) {
      const choice = random.next();
      if (choice < 0.4) records.push(blob());
      else if (choice < 0.85) records.push(put());
      else records.push({ kind: RecordKind.delete, key: keyOf(random, keys) });
    }
    log.add(records);
    if (random.next() < 0.03) log.roll();
  }
  for (let left = damaged; left > 0; left--) log.damage(random);
  return log;
}

/** A new index that knows whether it was begun again, in the order of the log. */
class WatchedCatalog extends Catalog {
  begunAgain = false;

  override clear(): void {
    this.begunAgain = true;
    super.clear();
  }
}

function newIndex(): { folder: string; catalog: WatchedCatalog } {
  const folder = newFolder();
  const catalog = new WatchedCatalog(folder);
  track({ close: () => catalog.release() });
  catalog.begin(identity.storeId);
  return { folder, catalog };
}

/** Everything that an index can be asked for, a line for each row. */
function dump(catalog: Catalog): string[] {
  const rows = [...catalog.rows({ start: Buffer.from([APPLICATION_SPACE]), end: Buffer.from([0xff]) })];
  const facts = [catalog.applied(), catalog.gaps.all(), catalog.storeId()];
  return [...facts, ...rows, ...catalog.blobs()].map((each) => inspect(each, { depth: 9, compact: true }));
}

/** The first line that differs tells enough; a comparison of everything takes minutes. */
function checkLines(found: string[], expected: string[], what: string): void {
  const differing = expected.findIndex((line, i) => line !== found[i]);
  if (differing >= 0) assert.is(found[differing], expected[differing], what);
  assert.is(found.length, expected.length, what);
}

interface Made {
  result: Replay;
  catalog: WatchedCatalog;
  folder: string;
}

function readIn(log: RecordLog, make: (reader: LogReader, numbers: number[]) => Replay): Replay {
  const reader = new LogReader(nodeFileSystem, log.folder, identity);
  try {
    return make(reader, listSegments(nodeFileSystem, log.folder));
  } finally {
    reader.close();
  }
}

function inOrder(log: RecordLog, durableSequence: number): Made {
  const { folder, catalog } = newIndex();
  const result = readIn(log, (reader, numbers) =>
    replay(reader, numbers, catalog, LOG_START, { durableSequence }),
  );
  return { result, catalog, folder };
}

function inBulk(log: RecordLog, options: Partial<LoadOptions>): Made {
  const { folder, catalog } = newIndex();
  const result = readIn(log, (reader, numbers) =>
    loadIndex(reader, numbers, catalog, { scratchFolder: folder, ...options }),
  );
  return { result, catalog, folder };
}

/** Both ways of making an index make the same one; gives whether the sorted way was gone to its end. */
function checkSame(log: RecordLog, what: string, durableSequence = log.end.sequence): boolean {
  const expected = inOrder(log, durableSequence);
  const wanted = dump(expected.catalog);
  let isSorted = true;
  for (const runSize of [undefined, SMALL_RUNS]) {
    const made = inBulk(log, { durableSequence, ...(runSize && { runSize }) });
    assert.equal(made.result, expected.result, what);
    checkLines(dump(made.catalog), wanted, what);
    assert.equal(
      readdirSync(made.folder).filter((name) => !name.endsWith(".mdb")),
      [],
      what,
    );
    if (made.catalog.begunAgain) isSorted = false;
  }
  return isSorted;
}

test("an index made from sorted rows is the one that the order of the log makes", () => {
  const random = new Random("sorted rows");
  for (let i = 0; i < LOGS; i++)
    assert.ok(
      checkSame(randomLog(random, {}), `log ${i}, seed ${random.seed}`),
      "sorted rows were not enough",
    );
});

test("a log that refers to blobs it has not, or not yet, is taken in its order", () => {
  const random = new Random("unknown blobs");
  let inOrderOfLog = 0;
  for (let i = 0; i < LOGS; i++) {
    const log = randomLog(random, { unknown: 0.02 });
    if (!checkSame(log, `log ${i}, seed ${random.seed}`)) inOrderOfLog++;
  }
  assert.ok(inOrderOfLog > 0);
});

test("a reference before its blob is not counted, however far apart they are", () => {
  for (const filler of [0, 400]) {
    const log = new RecordLog();
    const late = digestOf(1);
    const put = (name: string): RandomRecord => ({
      kind: RecordKind.put,
      key: Buffer.from(name),
      references: [late],
    });
    log.add([put("early")]);
    for (let i = 0; i < filler; i++) {
      log.add([{ kind: RecordKind.blob, key: digestOf(100 + i), content: Buffer.from("value") }]);
      log.add([{ kind: RecordKind.put, key: Buffer.from(`other${i}`), content: Buffer.alloc(200) }]);
    }
    log.add([{ kind: RecordKind.blob, key: late, content: Buffer.from("late") }, put("later")]);
    assert.is(checkSame(log, `${filler} between`), false);
    const { catalog } = inBulk(log, { runSize: SMALL_RUNS });
    assert.is(catalog.blob(late)?.referenceCount, 1);
    assert.is(catalog.row(Buffer.from("early"))?.blob, undefined);
  }
});

test("a damaged log makes the same index either way, with the same problems", () => {
  const random = new Random("damaged logs");
  let sorted = 0;
  for (let i = 0; i < LOGS; i++) {
    const log = randomLog(random, { damaged: 1 + random.below(4), batches: 60 });
    const durable = random.next() < 0.5 ? log.end.sequence : 0;
    if (checkSame(log, `log ${i}, seed ${random.seed}`, durable)) sorted++;
  }
  assert.ok(sorted > 0, "none was made from sorted rows");
});

test("a missing segment leaves a gap, noted either way", () => {
  const random = new Random("missing segment", 5);
  const log = randomLog(random, { batches: 30 });
  log.roll();
  log.add([{ kind: RecordKind.put, key: Buffer.from("between") }]);
  const lost = log.end.segment;
  log.roll();
  log.add([{ kind: RecordKind.put, key: Buffer.from("behind") }]);
  nodeFileSystem.remove(segmentPath(log.folder, lost));
  assert.ok(checkSame(log, "missing segment"));
  const { catalog, result } = inBulk(log, {});
  assert.ok(catalog.gaps.all());
  assert.is(result.problems.length, 1);
  assert.ok(catalog.row(Buffer.from("behind")));
});

test("batches are whole where they are longer than what is read at once, and where the next good one is far away", () => {
  const log = new RecordLog();
  const put = (name: string, content: string): RandomRecord => ({
    kind: RecordKind.put,
    key: Buffer.from(name),
    content: Buffer.from(content),
  });
  const blob = (n: number, megabytes: number): RandomRecord => ({
    kind: RecordKind.blob,
    key: digestOf(n),
    content: Buffer.alloc(megabytes * 1024 * 1024, n),
  });
  log.add([put("before", "a"), blob(1, 5), put("behind", "b")]);
  log.durable = 0;
  const { segment, offset } = log.end;
  log.add([put("damaged", "c"), put("beside it", "d")]);
  for (let i = 2; i < 8; i++) log.add([blob(i, 1)]);
  log.durable = undefined;
  log.add([put("last", "e")]);
  // In the payload of the first record.
  log.flip(segmentPath(log.folder, segment), offset + 64 + 32 + "damaged".length, 0);
  assert.ok(checkSame(log, "long batches", 0));
  const { catalog, result } = inBulk(log, {});
  assert.equal(
    result.problems.map(({ kind, offset }) => [kind, offset]),
    [["record", offset + 64]],
  );
  const keys = [...catalog.rows({ start: Buffer.from([APPLICATION_SPACE]) })].map(({ key }) => String(key));
  assert.equal(keys, ["before", "behind", "beside it", "damaged", "last"]);
  assert.equal(String(catalog.row(Buffer.from("beside it"))?.inline), "d");
});

test("an empty log makes an empty index that is up to date", () => {
  const log = new RecordLog();
  assert.ok(checkSame(log, "empty"));
  assert.equal(inBulk(log, {}).catalog.applied(), log.end);
});

test("what is appended to an index made from sorted rows goes on from it", () => {
  const random = new Random("appended", 11);
  const log = randomLog(random, { batches: 40 });
  const { catalog, result } = inBulk(log, { runSize: SMALL_RUNS });
  const blob = digestOf(77_777);
  log.add([
    { kind: RecordKind.blob, key: blob, content: Buffer.from("value") },
    { kind: RecordKind.put, key: Buffer.from("artifact/new"), references: [blob, digestOf(1)] },
    { kind: RecordKind.delete, key: keyOf(random, 20) },
  ]);
  const added = readIn(log, (reader, numbers) => replay(reader, numbers, catalog, result.position));
  assert.is(added.batches, 1);
  checkLines(dump(catalog), dump(inOrder(log, 0).catalog), "appended");
});

test("a failure while an index is made leaves no files behind, and an index that nobody trusts", () => {
  const log = randomLog(new Random("failure", 3), {});
  const { folder, catalog } = newIndex();
  catalog.setApplied = () => {
    throw new Error("in the end");
  };
  const load = () =>
    readIn(log, (reader, numbers) =>
      loadIndex(reader, numbers, catalog, { scratchFolder: folder, runSize: SMALL_RUNS }),
    );
  assert.throws(load, /in the end/);
  assert.is(trustIn(folder), undefined);
  assert.equal(
    readdirSync(folder).filter((name) => !name.endsWith(".mdb")),
    [],
  );
});

test("what waits in a file is read back entry by entry, wherever a read ends", () => {
  const random = new Random("waiting entries");
  const parts = Array.from({ length: 900 }, (_, i) => {
    const value = random.bytes(random.below(1_500));
    const head = Buffer.alloc(ENTRY_HEAD_BYTES);
    head.writeUInt16LE(4);
    head.writeUInt32LE(value.length, 4);
    const key = Buffer.alloc(4);
    key.writeUInt32BE(i);
    return Buffer.concat([head, key, value]);
  });
  const buffer = Buffer.concat(parts);
  let at = 0;
  const entries = Uint32Array.from(parts, (part) => {
    at += part.length;
    return at - part.length;
  });
  const folder = newFolder();
  const file = new SortedInFile(0, join(folder, "entries.tmp"), buffer, entries);
  for (const [i, part] of parts.entries()) {
    assert.ok(file.next());
    const found = file.buffer.subarray(file.entry, file.entry + part.length);
    assert.ok(found.equals(part), `entry ${i}, seed ${random.seed}`);
  }
  assert.is(file.next(), false);
  file.close();
  assert.equal(readdirSync(folder), []);
});

test("entries are sorted by key, those with the same key in their order", () => {
  const random = new Random("entries");
  for (let round = 0; round < 40; round++) {
    const keys = Array.from({ length: random.below(400) }, () => {
      const alphabet = 1 + random.below(3);
      const text = Buffer.from(Array.from({ length: random.below(9) }, () => random.below(alphabet) * 0x7f));
      return Buffer.concat([Buffer.from("same"), text]);
    });
    const parts = keys.map((key) => {
      const head = Buffer.alloc(ENTRY_HEAD_BYTES);
      head.writeUInt16LE(key.length);
      return Buffer.concat([head, key]);
    });
    const buffer = Buffer.concat(parts);
    let at = 0;
    const entries = Uint32Array.from(parts, (part) => {
      at += part.length;
      return at - part.length;
    });
    const expected = [...entries].sort((a, b) => compareKeys(buffer, a, buffer, b) || a - b);
    sortEntries(buffer, entries);
    assert.equal([...entries], expected, `round ${round}, seed ${random.seed}`);
    for (const entry of entries) assert.ok(keyLengthAt(buffer, entry) >= 4);
  }
});

test.run();

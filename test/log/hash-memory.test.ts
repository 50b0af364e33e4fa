import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import createXxhash from "xxhash-wasm";
import { borrowHashMemory, giveBackHashMemory, isChecksumAt } from "../../engine/log/checksum.ts";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { RecordKind, SEGMENT_HEADER_BYTES } from "../../engine/log/format.ts";
import { HASHED_BYTES, HASHED_FROM, HashMemory } from "../../engine/log/hash-memory.ts";
import { LogReader } from "../../engine/log/reader.ts";
import { scanLog } from "../../engine/log/scan.ts";
import { LOG_START } from "../../engine/log/segment.ts";
import { Random } from "../helpers/random.ts";
import type { HandmadeRecord } from "./support.ts";
import { HandmadeLog, identity } from "./support.ts";

const test = suite("memory in which is hashed");

test("it is there: an upgrade of xxhash-wasm has not taken it away", () => {
  assert.ok(HashMemory.make());
});

test("there is none where the package is not what it was", () => {
  const path = createRequire(import.meta.url).resolve("xxhash-wasm");
  const code = readFileSync(join(dirname(path), "../workerd/xxhash.wasm"));
  // The first of the primes of XXH64 as the file has it, in each place where it stands.
  const prime = Buffer.from([0x87, 0x95, 0xaf, 0xaf, 0x98, 0xb6, 0xde, 0x9b, 0x9e, 0x7f]);
  const other = Buffer.from(code);
  for (let at = other.indexOf(prime); at >= 0; at = other.indexOf(prime, at + 1)) other[at]! ^= 2;
  assert.not.ok(other.equals(code));
  assert.ok(HashMemory.make(() => code));
  assert.is(
    HashMemory.make(() => other),
    undefined,
  );
  assert.is(
    HashMemory.make(() => readFileSync(join(path, "missing"))),
    undefined,
  );
});

test("its checksum is XXH64, whatever the length, the place and the seed", async () => {
  const { h64Raw } = await createXxhash();
  const random = new Random("hash memory");
  const memory = HashMemory.make()!;
  const lengths = Array.from({ length: 201 }, (_, length) => length);
  for (const length of [...lengths, 1_000, 65_537, 1024 * 1024 + 3, HASHED_BYTES - 16]) {
    const at = HASHED_FROM + 8 + random.below(8);
    const sumAt = HASHED_FROM + random.below(at - HASHED_FROM - 7);
    const seed = length % 3 === 0 ? 0n : random.bytes(8).readBigUInt64LE();
    const text = `${length} bytes at ${at}, seed ${random.seed}`;
    random.bytes(length).copy(memory.bytes, at);
    const sum = h64Raw(memory.bytes.subarray(at, at + length), seed);
    memory.bytes.writeBigUInt64LE(sum, sumAt);
    assert.ok(memory.isSumAt(at, at + length, seed, sumAt), text);
    assert.not(memory.isSumAt(at, at + length, seed ^ 1n, sumAt), text);
    const bit = random.below(64);
    memory.bytes.writeBigUInt64LE(sum ^ (1n << BigInt(bit)), sumAt);
    assert.not(memory.isSumAt(at, at + length, seed, sumAt), text);
  }
});

test("one at a time has it", () => {
  const memory = borrowHashMemory();
  assert.ok(memory);
  assert.is(borrowHashMemory(), undefined);
  giveBackHashMemory();
  assert.is(borrowHashMemory(), memory);
  giveBackHashMemory();
});

test("a checksum is the same in it and elsewhere", () => {
  const { bytes } = borrowHashMemory()!;
  giveBackHashMemory();
  const random = new Random("in it and elsewhere");
  const plain = random.bytes(100);
  plain.copy(bytes, HASHED_FROM);
  for (const each of [bytes.subarray(HASHED_FROM), plain]) assert.not(isChecksumAt(each, 8, 100, 5n, 0));
  assert.not(isChecksumAt(bytes, HASHED_FROM + 8, HASHED_FROM + 100, 5n, HASHED_FROM));
});

/** What a scan gives, with copies of what it had as views. */
function scanned(log: HandmadeLog): unknown[] {
  const reader = new LogReader(nodeFileSystem, log.folder, identity);
  const found: unknown[] = [];
  try {
    const scan = scanLog(reader, [1], LOG_START, log.end.sequence, undefined, "views");
    for (let next = scan.next(); ; next = scan.next()) {
      if (next.done) return [...found, next.value];
      if ("problem" in next.value) found.push(next.value.problem);
      else {
        const { header, records, end } = next.value.batch;
        const told = records.map(({ header, key, payload, sound, offset }) => {
          return { header, key: key.toString("hex"), payload: payload?.toString("hex"), sound, offset };
        });
        found.push({ header, told, end });
      }
    }
  } finally {
    reader.close();
  }
}

function blobOf(random: Random): HandmadeRecord {
  return { kind: RecordKind.blob, key: random.bytes(32), content: random.bytes(40) };
}

/** Above a window's length, in batches of one length and now and then of some hundred records. */
function longLog(random: Random): HandmadeLog {
  const log = new HandmadeLog();
  while (log.end.offset < HASHED_BYTES * 1.2) {
    if (random.below(10) > 0) log.add("x".repeat(random.below(20_000)));
    else log.addRecords(Array.from({ length: 300 }, () => blobOf(random)));
  }
  return log;
}

test("a long log reads as without it, also when it is damaged anywhere", () => {
  const random = new Random("long log");
  const log = longLog(random);
  const whole = readFileSync(log.path());
  for (let i = 0; i < 12; i++) {
    const bytes = Buffer.from(whole);
    for (let n = i; n > 0; n--)
      bytes[SEGMENT_HEADER_BYTES + random.below(bytes.length - SEGMENT_HEADER_BYTES)]! ^= 4;
    writeFileSync(log.path(), bytes);
    const inPlace = scanned(log);
    const memory = borrowHashMemory();
    assert.ok(memory, "it was given back");
    const elsewhere = scanned(log);
    giveBackHashMemory();
    assert.equal(inPlace, elsewhere, `${i}, seed ${random.seed}`);
  }
});

test("a scan that is left gives it back", () => {
  const log = longLog(new Random("left"));
  const reader = new LogReader(nodeFileSystem, log.folder, identity);
  for (const _ of scanLog(reader, [1], LOG_START, 1_000_000, undefined, "views")) {
    assert.is(borrowHashMemory(), undefined, "it has it");
    break;
  }
  reader.close();
  assert.ok(borrowHashMemory());
  giveBackHashMemory();
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { VarveError } from "../../engine/errors.ts";
import { checksum, runningChecksum } from "../../engine/log/checksum.ts";
import {
  BATCH_HEADER_BYTES,
  decodeSegmentHeader,
  encodeSegmentHeader,
  FORMAT_VERSION,
  FORMAT_VERSION_WRITTEN,
  KEY_BYTES_MAX,
  RECORD_HEADER_BYTES,
  RecordKind,
  readBatchHeader,
  readRecordHeader,
  readUint53,
  recordBytes,
  SEGMENT_HEADER_BYTES,
  writeBatchHeader,
  writeRecordHeader,
  writeUint53,
} from "../../engine/log/format.ts";

const test = suite("format of the log");

const salt = 0xdead_beef_0123_4567n;
const segment = {
  formatVersion: FORMAT_VERSION_WRITTEN,
  number: 4_000_000_000,
  generation: 3,
  previousNumber: 3_999_999_999,
  previousEnd: 2 ** 40 + 8,
  previousChain: 2n ** 64n - 1n,
  previousSequence: Number.MAX_SAFE_INTEGER,
  salt,
  storeId: "00112233445566778899aabbccddeeff",
  createdAt: 1_700_000_000_123,
  application: "artifact",
};
const batch = {
  count: 3,
  sequence: 2 ** 52,
  time: 1_700_000_000_123,
  length: 2 ** 33,
  previousChain: 2n ** 63n + 5n,
  durableSequence: 2 ** 52 - 1,
  recordsChecksum: 77n,
};
const record = {
  kind: RecordKind.put,
  flags: 1,
  tag: 200,
  referenceCount: 255,
  key: Buffer.from("key-5"),
  // Only its length is asked for.
  payload: { length: 2 ** 34 + 1 } as Uint8Array,
  payloadChecksum: 2n ** 64n - 2n,
};

function code(action: () => unknown): string {
  try {
    action();
    return "none";
  } catch (error) {
    assert.instance(error, VarveError);
    assert.ok((error as VarveError).hint);
    return (error as VarveError).code;
  }
}

test("headers come back as they were written, also with numbers above 2³²", () => {
  assert.equal(decodeSegmentHeader(encodeSegmentHeader(segment), "file"), segment);
  const bytes = Buffer.alloc(300);
  const chain = writeBatchHeader(bytes, 16, batch, salt);
  assert.equal(readBatchHeader(bytes, 16, salt), { ...batch, chain });
  bytes.write("key-5", 100 + RECORD_HEADER_BYTES);
  const sum = writeRecordHeader(bytes, 100, record, salt);
  const { key, payload, ...rest } = record;
  const read = { ...rest, keyLength: key.length, payloadLength: payload.length, checksum: sum };
  assert.equal(readRecordHeader(bytes, 100, salt), read);
});

test("the header of a rewritten segment has its facts besides, and that of another one zeros in their place", () => {
  const facts = {
    lastNumber: 2 ** 32 - 1,
    endChain: 2n ** 64n - 3n,
    bytes: 2 ** 45 + 8,
    endSequence: 2 ** 53 - 2,
  };
  const rewritten = { ...segment, formatVersion: FORMAT_VERSION, rewritten: facts };
  assert.equal(decodeSegmentHeader(encodeSegmentHeader(rewritten), "file"), rewritten);
  assert.equal(encodeSegmentHeader(segment).subarray(88, 120), Buffer.alloc(32));
  const bytes = encodeSegmentHeader(rewritten);
  assert.is(bytes.readUInt16LE(8), 2);
  assert.is(bytes.readUInt32LE(88), facts.lastNumber);
  assert.is(bytes.readUInt32LE(92), 0);
  assert.is(bytes.readBigUInt64LE(96), facts.endChain);
  assert.is(Number(bytes.readBigUInt64LE(104)), facts.bytes);
  assert.is(Number(bytes.readBigUInt64LE(112)), facts.endSequence);
});

test("whole numbers up to 2⁵³ − 1 keep their value", () => {
  const bytes = Buffer.alloc(8);
  for (const value of [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 33 + 7, Number.MAX_SAFE_INTEGER]) {
    writeUint53(bytes, value, 0);
    assert.is(readUint53(bytes, 0), value);
  }
});

test("a flipped bit anywhere in a header is noticed", () => {
  const whole = encodeSegmentHeader(segment);
  for (let bit = 0; bit < SEGMENT_HEADER_BYTES * 8; bit++) {
    const bytes = Buffer.from(whole);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    assert.is(
      code(() => decodeSegmentHeader(bytes, "file")),
      "CORRUPTION",
      `bit ${bit}`,
    );
  }
  const batchBytes = Buffer.alloc(BATCH_HEADER_BYTES);
  writeBatchHeader(batchBytes, 0, batch, salt);
  for (let bit = 0; bit < BATCH_HEADER_BYTES * 8; bit++) {
    const bytes = Buffer.from(batchBytes);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    assert.is(readBatchHeader(bytes, 0, salt), undefined, `bit ${bit}`);
  }
  const recordHead = Buffer.alloc(RECORD_HEADER_BYTES + 5, "k");
  writeRecordHeader(recordHead, 0, record, salt);
  for (let bit = 0; bit < recordHead.length * 8; bit++) {
    const bytes = Buffer.from(recordHead);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    assert.is(readRecordHeader(bytes, 0, salt), undefined, `bit ${bit}`);
  }
});

test("an all-zero header is invalid, whatever the salt", () => {
  const zeros = Buffer.alloc(256);
  assert.is(
    code(() => decodeSegmentHeader(zeros, "file")),
    "CORRUPTION",
  );
  for (const each of [0n, 1n, salt]) {
    assert.is(readBatchHeader(zeros, 0, each), undefined);
    assert.is(readRecordHeader(zeros, 0, each), undefined);
  }
});

test("headers of another segment's salt are not taken for this one's", () => {
  const bytes = Buffer.alloc(200);
  writeBatchHeader(bytes, 0, batch, salt);
  writeRecordHeader(bytes, 100, { ...record, key: new Uint8Array() }, salt);
  assert.is(readBatchHeader(bytes, 0, salt + 1n), undefined);
  assert.is(readRecordHeader(bytes, 100, salt + 1n), undefined);
});

test("a header that is cut off is none", () => {
  const head = encodeSegmentHeader(segment);
  assert.is(
    code(() => decodeSegmentHeader(head.subarray(0, 127), "file")),
    "CORRUPTION",
  );
  assert.is(
    code(() => decodeSegmentHeader(Buffer.alloc(0), "file")),
    "CORRUPTION",
  );
  const bytes = Buffer.alloc(BATCH_HEADER_BYTES);
  writeBatchHeader(bytes, 0, batch, salt);
  assert.is(readBatchHeader(bytes.subarray(0, 63), 0, salt), undefined);
  const withKey = Buffer.alloc(RECORD_HEADER_BYTES + 5);
  writeRecordHeader(withKey, 0, record, salt);
  assert.is(readRecordHeader(withKey.subarray(0, -1), 0, salt), undefined);
  assert.is(readRecordHeader(withKey.subarray(0, 31), 0, salt), undefined);
});

test("a bad length is not trusted: a key longer than any, a kind that there is not", () => {
  const bytes = Buffer.alloc(4000);
  writeRecordHeader(bytes, 0, { ...record, key: Buffer.alloc(KEY_BYTES_MAX + 1) }, salt);
  assert.is(readRecordHeader(bytes, 0, salt), undefined);
  for (const kind of [0, 4, 255]) {
    writeRecordHeader(bytes, 0, { ...record, kind: kind as never }, salt);
    assert.is(readRecordHeader(bytes, 0, salt), undefined);
  }
});

test("a newer format is NOT_SUPPORTED, not CORRUPTION", () => {
  const newer = encodeSegmentHeader({ ...segment, formatVersion: FORMAT_VERSION + 1 });
  assert.is(
    code(() => decodeSegmentHeader(newer, "file")),
    "NOT_SUPPORTED",
  );
});

test("records take whole multiples of 8 bytes, also above 2³¹", () => {
  assert.is(recordBytes(0, 0), 32);
  assert.is(recordBytes(1, 0), 40);
  assert.is(recordBytes(4, 4), 40);
  assert.is(recordBytes(32, 2 ** 32 + 1), 64 + 2 ** 32 + 8);
});

test("a checksum is the same whole and in pieces, at every size around the piece", () => {
  const bytes = Buffer.alloc(3 * 1024 * 1024 + 5, "abcdefg");
  for (const length of [0, 1, 1024 * 1024 - 1, 1024 * 1024, 1024 * 1024 + 1, bytes.length]) {
    const part = bytes.subarray(0, length);
    const running = runningChecksum(salt);
    for (let at = 0; at < length; at += 100_003) running.update(part.subarray(at, at + 100_003));
    assert.is(checksum(part, salt), running.digest(), `${length}`);
  }
  assert.is(checksum(new Uint8Array(), 0n), 0xef46db3751d8e999n, "the known value of XXH64");
  assert.is(checksum(Buffer.from("abc"), 0n), 0x44bc2cf5ad770999n);
});

test.run();

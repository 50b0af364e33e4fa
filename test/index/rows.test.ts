import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { LazyRow } from "../../engine/index/lazy-row.ts";
import { lazyRowIn } from "../../engine/index/lazy-row.ts";
import { RawEntry } from "../../engine/index/raw-entry.ts";
import { RawBlobRow, RawRow } from "../../engine/index/raw-rows.ts";
import type { BlobRow, Row } from "../../engine/index/rows.ts";
import {
  decodeApplied,
  decodeBlobRow,
  decodeRow,
  encodeApplied,
  encodeBlobRow,
  encodeRow,
  NOT_CACHED,
} from "../../engine/index/rows.ts";
import { DIGEST_BYTES, recordBytes } from "../../engine/log/format.ts";
import type { RecordPlace } from "../../engine/log/reader.ts";
import { segmentId } from "../../engine/log/segment-id.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { Random } from "../helpers/random.ts";

const test = suite("rows of the index");

const digest = (n: number) => Buffer.alloc(32, n);
const encodedBlob = ({ place, referenceCount, condemned }: BlobRow) =>
  encodeBlobRow(place, referenceCount, condemned);
const place = {
  segment: segmentId(2 ** 32 - 1, 2 ** 20 - 1),
  offset: 2 ** 40 - 8,
  payloadLength: 2 ** 48 - 1,
};
const row: Row = {
  sequence: 2 ** 52,
  time: 1_700_000_000_123,
  tag: 255,
  weak: true,
  references: [digest(1), digest(2)],
  place: { ...place, payloadLength: 2 * 32 + 6 },
  blob: { segment: 1, offset: 128, payloadLength: 0 },
  inline: Buffer.from("inline"),
  cachedAt: NOT_CACHED,
};

/** A row with so many references: what of its payload is kept says how long that is. */
function rowWith(count: number, inline: Buffer | undefined, more: Partial<Row>): Row {
  const references = Array.from({ length: count }, (_, i) => digest(i));
  const payloadLength = inline ? count * 32 + inline.length : place.payloadLength;
  return { ...row, inline, references, place: { ...(more.place ?? place), payloadLength }, ...omit(more) };
}

function omit({ place: _, ...rest }: Partial<Row>): Partial<Row> {
  return rest;
}

/** The place of a blob of so many bytes whose record ends where another one begins. */
function rightBefore({ segment, offset }: RecordPlace, payloadLength: number): RecordPlace {
  return { segment, offset: offset - recordBytes(DIGEST_BYTES, payloadLength), payloadLength };
}

test("rows come back as they were, whatever parts they have", () => {
  const before = rightBefore(place, 1023);
  for (const blob of [row.blob, place, before, { ...before, segment: 3 }, undefined])
    for (const inline of [row.inline, Buffer.alloc(0), Buffer.alloc(256, 1), undefined])
      for (const count of [0, 1, 2, 6, 7, 8, 255])
        for (const weak of [true, false]) {
          const each = rowWith(count, inline, { blob, weak });
          assert.equal(decodeRow(encodeRow(each)), each);
        }
});

/** Mostly numbers where the count of bytes changes, up to `most`. */
function anyNumber(random: Random, most: number): number {
  const bits = random.below(Math.ceil(Math.log2(most)) + 1);
  const near = 2 ** bits + random.below(3) - 1;
  const number = random.below(4) === 0 ? Math.floor(random.next() * most) : near;
  return Math.max(0, Math.min(most, number));
}

function anyPlace(random: Random): RecordPlace {
  const generation = random.below(2) * anyNumber(random, 2 ** 20 - 1);
  return {
    segment: segmentId(anyNumber(random, 2 ** 32 - 1), generation),
    offset: anyNumber(random, Number.MAX_SAFE_INTEGER),
    payloadLength: anyNumber(random, Number.MAX_SAFE_INTEGER),
  };
}

function anyRow(random: Random): Row {
  const at = anyPlace(random);
  const blobLength = anyNumber(random, 2 ** 40);
  const isRoom = at.offset >= recordBytes(DIGEST_BYTES, blobLength);
  const blobs = [undefined, anyPlace(random), isRoom ? rightBefore(at, blobLength) : undefined];
  const inline = random.below(2) === 0 ? random.bytes(random.below(257)) : undefined;
  return rowWith(random.below(random.below(4) === 0 ? 256 : 10), inline, {
    sequence: anyNumber(random, Number.MAX_SAFE_INTEGER),
    time: anyNumber(random, Number.MAX_SAFE_INTEGER),
    tag: random.below(256),
    weak: random.below(2) === 0,
    blob: blobs[random.below(blobs.length)],
    place: at,
  });
}

/** As LMDB gives them: the bytes go on behind the row. */
function entryOf(value: Buffer): RawEntry {
  const key = Buffer.concat([Buffer.from([1]), digest(7)]);
  const more = Buffer.concat([value, Buffer.alloc(64, 0xff)]);
  return Object.assign(new RawEntry(), {
    keyBytes: key,
    keyEnd: key.length,
    value: more,
    valueLength: value.length,
  });
}

test("any row comes back as it was, also field by field where it lies", () => {
  const random = new Random("rows of the index");
  const raw = new RawRow();
  for (let i = 0; i < 10_000; i++) {
    const each = anyRow(random);
    const bytes = encodeRow(each);
    assert.equal(decodeRow(bytes), each);
    raw.at(entryOf(bytes));
    const { sequence, time, tag, weak, references, blob } = each;
    const found = [raw.sequence, raw.time, raw.tag, raw.weak, raw.referenceCount, raw.segment];
    assert.equal(found, [sequence, time, tag, weak, references.length, each.place.segment]);
    assert.equal(
      [raw.payloadLength, raw.blobLength, raw.blobSegment],
      [each.place.payloadLength, blob?.payloadLength ?? 0, blob?.segment],
    );
    const start = raw.referencesStart;
    const digests = Buffer.from(raw.valueBytes.slice(start, start + references.length * DIGEST_BYTES));
    assert.ok(digests.equals(Buffer.concat(references)));
  }
});

const partsOf = ({ sequence, time, tag, weak, references, place, blob, inline, cachedAt }: Row): Row => ({
  ...{ sequence, time, tag, weak, references, place, blob, inline, cachedAt },
});

test("any row that is taken apart later comes back as it was, though others were read since", () => {
  const random = new Random("lazy rows");
  const kept: { lazy: LazyRow; row: Row }[] = [];
  for (let i = 0; i < 3_000; i++) {
    const each = anyRow(random);
    const entry = entryOf(encodeRow(each));
    const lazy = lazyRowIn(entry);
    entry.value.fill(0);
    assert.is(lazy !== undefined, each.blob !== undefined || each.references.length === 0);
    if (lazy) kept.push({ lazy, row: each });
  }
  const use = (memory: Buffer, start: number, end: number) => memory.toString("hex", start, end);
  for (const { lazy, row } of kept) {
    assert.is(lazy.useInline(use), row.inline?.toString("hex"));
    if (row.references[0]) assert.is(lazy.firstReferenceText(), row.references[0].toString("hex"));
    assert.equal(partsOf(lazy), row);
  }
  assert.ok(kept.length > 1_000);
});

test("any row of a blob comes back as it was, also field by field where it lies", () => {
  const random = new Random("rows of blobs");
  const raw = new RawBlobRow();
  for (let i = 0; i < 10_000; i++) {
    const referenceCount = anyNumber(random, Number.MAX_SAFE_INTEGER);
    const each = { place: anyPlace(random), referenceCount };
    const condemned = random.below(2) === 0;
    const row = condemned ? { ...each, condemned } : each;
    const bytes = encodedBlob(row);
    assert.equal(decodeBlobRow(bytes), row);
    raw.at(entryOf(bytes));
    assert.equal(
      [raw.segment, raw.length, raw.referenceCount, raw.isCondemned, raw.isPlaced],
      [each.place.segment, each.place.payloadLength, referenceCount, condemned, each.place.segment !== 0],
    );
  }
});

test("rows are as short as they are said to be", () => {
  const offset = 20 * 2 ** 20;
  const plain: Row = {
    sequence: 1_000_000,
    time: 1_700_000_000_123,
    tag: 1,
    weak: false,
    references: [digest(1)],
    place: { segment: 9, offset, payloadLength: DIGEST_BYTES },
    blob: rightBefore({ segment: 9, offset, payloadLength: 0 }, 1024),
    inline: Buffer.alloc(0),
    cachedAt: NOT_CACHED,
  };
  assert.is(encodeRow(plain).length, 54);
  assert.is(encodedBlob({ place: plain.blob!, referenceCount: 1 }).length, 12);
});

test("of bytes that are no row the fields are read without an end of it", () => {
  const raw = new RawRow();
  const blob = new RawBlobRow();
  for (const byte of [0xff, 0x80, 0x00])
    for (const length of [0, 4, 5, 6, 64, 256]) {
      const entry = Object.assign(new RawEntry(), { value: Buffer.alloc(length, byte), valueLength: length });
      raw.unchecked(entry);
      assert.ok(Number.isFinite(raw.time + raw.sequence + raw.payloadLength + raw.referencesStart));
      blob.unchecked(entry);
      assert.ok(Number.isFinite(blob.referenceCount + blob.length + blob.segment));
    }
});

test("a damaged row is not taken apart later either", async () => {
  const bytes = encodeRow(row);
  bytes[bytes.length - 1]! ^= 1;
  await failureWithHint(async () => lazyRowIn(entryOf(bytes)), "CORRUPTION");
});

test("a decoded row keeps nothing of the bytes that it was read from", () => {
  const bytes = encodeRow(row);
  const decoded = decodeRow(bytes);
  bytes.fill(0);
  assert.equal(decoded, row);
});

test("blob rows and positions come back as they were", () => {
  for (const referenceCount of [0, 1, 62, 63, 64, 2 ** 40]) {
    assert.equal(decodeBlobRow(encodedBlob({ place, referenceCount })), { place, referenceCount });
  }
  for (const segment of [7, segmentId(7, 1), segmentId(2 ** 32 - 1, 2 ** 20 - 1)]) {
    const position = { segment, offset: 2 ** 40, sequence: 2 ** 50, time: 5, chain: 2n ** 64n - 1n };
    assert.equal(decodeApplied(encodeApplied(position)), position);
    assert.equal(decodeRow(encodeRow({ ...row, place: { ...place, segment } })).place.segment, segment);
  }
});

test("a flipped bit anywhere in a row is CORRUPTION with the hint to rebuild", async () => {
  for (const [bytes, decode] of [
    [encodeRow(row), decodeRow],
    [encodedBlob({ place, referenceCount: 3 }), decodeBlobRow],
    [encodeApplied({ segment: 1, offset: 2, sequence: 3, time: 4, chain: 5n }), decodeApplied],
  ] as const) {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      const error = await failureWithHint(() => decode(damaged), "CORRUPTION");
      assert.match(error.hint!, "rebuild");
    }
    for (const length of [0, 3, 4, bytes.length - 1]) {
      await failureWithHint(() => decode(bytes.subarray(0, length)), "CORRUPTION");
    }
  }
});

test.run();

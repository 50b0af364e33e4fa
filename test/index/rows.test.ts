import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Row } from "../../engine/index/rows.ts";
import {
  decodeApplied,
  decodeBlobRow,
  decodeRow,
  encodeApplied,
  encodeBlobRow,
  encodeRow,
} from "../../engine/index/rows.ts";
import { segmentId } from "../../engine/log/segment-id.ts";
import { failureWithHint } from "../helpers/errors.ts";

const test = suite("rows of the index");

const digest = (n: number) => Buffer.alloc(32, n);
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
  place,
  blob: { segment: 1, offset: 128, payloadLength: 0 },
  inline: Buffer.from("inline"),
};

test("rows come back as they were, whatever parts they have", () => {
  for (const blob of [row.blob, undefined])
    for (const inline of [row.inline, Buffer.alloc(0), Buffer.alloc(256, 1), undefined])
      for (const count of [0, 1, 2, 255])
        for (const weak of [true, false]) {
          const each = {
            ...row,
            blob,
            inline,
            weak,
            references: Array.from({ length: count }, (_, i) => digest(i)),
          };
          assert.equal(decodeRow(encodeRow(each)), each);
        }
});

test("a decoded row keeps nothing of the bytes that it was read from", () => {
  const bytes = encodeRow(row);
  const decoded = decodeRow(bytes);
  bytes.fill(0);
  assert.equal(decoded, row);
});

test("blob rows and positions come back as they were", () => {
  for (const referenceCount of [0, 1, 2 ** 40]) {
    assert.equal(decodeBlobRow(encodeBlobRow({ place, referenceCount })), { place, referenceCount });
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
    [encodeBlobRow({ place, referenceCount: 3 }), decodeBlobRow],
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

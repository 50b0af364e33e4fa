import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DIGEST_BYTES } from "../../engine/log/format.ts";
import type { BlobPart } from "../../engine/maintenance/bulk/blobs.ts";
import { BlobTable, readBlobPart } from "../../engine/maintenance/bulk/blobs.ts";
import { keyAt } from "../../engine/maintenance/bulk/run.ts";
import { viewOf } from "../../engine/maintenance/bulk/words.ts";
import { Random } from "../helpers/random.ts";

const test = suite("table of blobs");

const CAPACITY = 512;

/** What all of a table says, by digest. */
function partsOf(table: BlobTable): Map<string, BlobPart> {
  const entries = [...table.entries()].map((entry): [string, BlobPart] => [
    keyAt(table.buffer, entry).toString("hex", 1),
    readBlobPart(table.view, entry),
  ]);
  assert.is(new Set(entries.map(([digest]) => digest)).size, entries.length, "a digest is there twice");
  return new Map(entries);
}

test("whatever comes in whatever order, each blob has its last copy and its count once", () => {
  const random = new Random("blob table");
  const table = new BlobTable(CAPACITY);
  for (const several of [1, 3, 20, 400]) {
    table.clear();
    // Some begin with the same bytes, by which they are looked up, and some differ in the last bytes alone.
    const digests = Array.from({ length: several }, (_, i) => {
      const head = Buffer.from([i % 7, 0, 0, 0]);
      const rest = i % 3 === 0 ? Buffer.alloc(DIGEST_BYTES - 8) : random.bytes(DIGEST_BYTES - 8);
      const tail = Buffer.alloc(4);
      tail.writeUInt32LE(i);
      return Buffer.concat([head, rest, tail]);
    });
    const expected = new Map<string, BlobPart>();
    for (let i = 0; i < 450; i++) {
      const bytes = digests[random.below(several)]!;
      const digest = bytes.toString("hex");
      const known = expected.get(digest);
      const what = `blob ${i} of ${several}, seed ${random.seed}`;
      if (random.below(3) > 0) {
        const place = { segment: 1 + random.below(9), offset: i * 8, payloadLength: random.below(5_000) };
        table.place(viewOf(bytes), 0, place.segment, place.offset, place.payloadLength);
        expected.set(digest, { isReferencedFirst: false, count: 0, ...known, place });
      } else {
        const by = random.below(3) - 1;
        assert.equal(table.placeOf(table.refer(viewOf(bytes), 0, by)), known?.place, what);
        const part = known ?? { isReferencedFirst: true, count: 0, place: undefined };
        expected.set(digest, { ...part, count: part.count + by });
      }
      assert.ok(table.room <= CAPACITY - expected.size, what);
    }
    assert.equal(partsOf(table), expected, `${several}, seed ${random.seed}`);
    assert.is(table.room, CAPACITY - expected.size);
  }
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import createXxhash from "xxhash-wasm";
import { checksum, rowChecksum, rowChecksumWithin } from "../../engine/log/checksum.ts";
import { Random } from "../helpers/random.ts";

const test = suite("checksum");

test("the checksum of a row is XXH32, whatever its length and wherever it stands", async () => {
  const { h32Raw } = await createXxhash();
  const random = new Random("rows");
  for (let length = 0; length < 400; length++) {
    const bytes = random.bytes(length + 9);
    const row = bytes.subarray(5, 5 + length);
    assert.is(rowChecksum(row), h32Raw(row, 0), `${length} bytes, seed ${random.seed}`);
    assert.is(
      rowChecksumWithin(bytes, 5, 5 + length),
      h32Raw(row, 0),
      `${length} bytes, seed ${random.seed}`,
    );
  }
  const high = Buffer.alloc(64, 0xff);
  assert.is(rowChecksum(high), h32Raw(high, 0));
});

test("bytes in memory that threads share have the checksum that they have elsewhere", () => {
  const random = new Random("shared");
  for (const length of [100, 4096, 61_003, 256 * 1024, 256 * 1024 + 1, 700_001, 1_048_577]) {
    for (const start of [0, 3, 8, 12]) {
      const bytes = random.bytes(length);
      const shared = new Uint8Array(new SharedArrayBuffer(start + length), start);
      shared.set(bytes);
      assert.is(checksum(shared, 7n), checksum(bytes, 7n), `${length} bytes from ${start}, ${random.seed}`);
    }
  }
});

test.run();

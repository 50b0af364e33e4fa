import { suite } from "uvu";
import * as assert from "uvu/assert";
import createXxhash from "xxhash-wasm";
import { rowChecksum, rowChecksumWithin } from "../../engine/log/checksum.ts";
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

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { arrayOf } from "../../adapters/metadata/dialects/postgresql-arrays.ts";

const test = suite("metadata: columns as arrays in the binary format of PostgreSQL");

/** As `array_recv` reads it. */
function read(array: Buffer): { hasNull: number; type: number; elements: (Buffer | null)[] } {
  const [dimensions, hasNull, type, length, first] = [0, 4, 8, 12, 16].map((at) => array.readInt32BE(at));
  assert.equal([dimensions, first], [1, 1]);
  const elements: (Buffer | null)[] = [];
  let at = 20;
  for (let i = 0; i < length!; i++) {
    const bytes = array.readInt32BE(at);
    at += 4;
    elements.push(bytes < 0 ? null : array.subarray(at, at + bytes));
    at += Math.max(0, bytes);
  }
  assert.is(at, array.length);
  return { hasNull: hasNull!, type: type!, elements };
}

test("numbers are exact from the least to the greatest", () => {
  const numbers = [
    0,
    1,
    -1,
    2 ** 31,
    -(2 ** 31) - 1,
    2 ** 32,
    Number.MAX_SAFE_INTEGER,
    Number.MIN_SAFE_INTEGER,
  ];
  const { type, hasNull, elements } = read(arrayOf("number", numbers));
  assert.equal([type, hasNull], [20, 0]);
  assert.equal(
    elements.map((each) => Number(each!.readBigInt64BE())),
    numbers,
  );
});

test("texts are as long as their UTF-8, and may be empty or missing", () => {
  const texts = ["", "a", null, 'ü, {"x"} \\ NULL', "𝄞".repeat(3)];
  const { type, hasNull, elements } = read(arrayOf("text", texts));
  assert.equal([type, hasNull], [25, 1]);
  assert.equal(
    elements.map((each) => each?.toString("utf8") ?? null),
    texts,
  );
});

test("bytes are as they are", () => {
  const bytes = [new Uint8Array([0, 255, 92]), null, Buffer.alloc(0)];
  const { type, elements } = read(arrayOf("bytes", bytes));
  assert.is(type, 17);
  assert.equal(
    elements.map((each) => (each ? [...each] : null)),
    [[0, 255, 92], null, []],
  );
  assert.equal(read(arrayOf("bytes", [])).elements, []);
});

test.run();

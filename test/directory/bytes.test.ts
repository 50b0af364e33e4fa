import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ByteReader, ByteWriter } from "../../engine/directory/bytes.ts";
import { compareBytes } from "../../engine/directory/entry.ts";
import { isCorruption } from "../../engine/errors.ts";
import { Random } from "../helpers/random.ts";
import "../helpers/whole-suites.ts";

const test = suite("directories: numbers, and the order of names");

test("the order is that of the bytes, for any characters", () => {
  const random = new Random("order of bytes");
  const characters = [
    "a",
    "/",
    "-",
    "\u0000",
    "\u007f",
    "\u0080",
    "\ud7ff",
    "\ue000",
    "\uffff",
    "\u{10000}",
    "\u{10ffff}",
  ];
  const text = () =>
    Array.from({ length: random.below(5) }, () => characters[random.below(characters.length)]).join("");
  for (let i = 0; i < 5_000; i++) {
    const [a, b] = [text(), text()];
    assert.is(
      Math.sign(compareBytes(a, b)),
      Buffer.compare(Buffer.from(a), Buffer.from(b)),
      `seed ${random.seed}`,
    );
  }
});

test("numbers have one form, and at most 53 bits", () => {
  for (const value of [0, 1, 127, 128, 2 ** 28, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    const writer = new ByteWriter();
    writer.number(value);
    const reader = new ByteReader(writer.taken());
    assert.is(reader.number(), value);
    reader.end();
  }
  for (const bytes of [
    [],
    [0x80],
    [0x80, 0x00],
    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    Array(9).fill(0x80),
  ])
    assert.throws(() => new ByteReader(Buffer.from(bytes)).number(), isCorruption);
});

test.run();

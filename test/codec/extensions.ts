/** Run by `codec.test.ts` in a process of its own: extensions of cbor-x are global, and ours must not heed them. */
import assert from "node:assert";
import { addExtension, decode, encode } from "cbor-x";
import { decodeValue, encodeValue } from "../../engine/codec/cbor.ts";

const value = {
  at: new Date(5),
  set: new Set([1]),
  map: new Map([["a", 1n]]),
  big: 1n << 70n,
  view: new Float32Array(2),
};
const before = Buffer.from(encodeValue(value));
const foreign = {
  Class: Date,
  tag: 40_500,
  encode: (_date: Date, write: (value: unknown) => void) => write("x"),
  decode: () => "spoilt",
};
addExtension(foreign as never);
for (const tag of [1, 2, 64, 85, 258, 259, 52_801]) addExtension({ tag, decode: () => "spoilt" } as never);

assert.strictEqual(decode(encode(new Date(5))), "spoilt");
assert.deepStrictEqual(Buffer.from(encodeValue(value)), before);
assert.deepStrictEqual(decodeValue(before), value);

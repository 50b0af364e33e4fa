import assert from "node:assert";
import { createHash } from "node:crypto";
import vm from "node:vm";
import { Encoder } from "cbor-x";
import fastCheck from "fast-check";
import { suite } from "uvu";
import { decodeValue, encodeValue } from "../../engine/codec/cbor.ts";
import { isExtended } from "../../engine/codec/profile.ts";
import { validateCbor } from "../../engine/codec/validate.ts";
import { anyText, anyValue, parameters, plainValue } from "./support.ts";

const test = suite("cbor values");

/** The value after a save and a load, with the checks that hold for every value. */
function kept<T>(value: T): T {
  const bytes = Uint8Array.from(encodeValue(value));
  validateCbor(bytes);
  const loaded = decodeValue(bytes);
  assert.deepStrictEqual(Buffer.from(encodeValue(loaded)), Buffer.from(bytes), "the bytes are stable");
  return loaded as T;
}

function assertKept(value: unknown): void {
  const loaded = kept(value);
  assert.deepStrictEqual(loaded, value);
  assert.ok(
    Object.is(loaded, value) || typeof value === "object",
    "primitives come back the same, -0 included",
  );
  assert.deepStrictEqual(keyOrder(loaded), keyOrder(value));
}

function keyOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(keyOrder);
  if (value instanceof Map) return [...value].map(([key, item]) => [keyOrder(key), keyOrder(item)]);
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return typeof value;
  const owner = value as Record<string, unknown>;
  return Object.keys(owner).map((key) => [key, keyOrder(Object.getOwnPropertyDescriptor(owner, key)!.value)]);
}

test("every kind of value comes back deep-equal, with its key order, and encodes to the same bytes again", () => {
  fastCheck.assert(fastCheck.property(anyValue, assertKept), parameters);
});

test("every text comes back as it was: lone surrogates, byte-order marks, keys and long ones too", () => {
  fastCheck.assert(
    fastCheck.property(fastCheck.array(anyText, { maxLength: 20 }), (texts) => assertKept(texts)),
    parameters,
  );
  for (const text of [
    "\ud800",
    "\udc00\ud800",
    "a\ud83d",
    "\ufeff",
    `\ufeff${"x".repeat(100)}`,
    "é".repeat(40),
    "𝄞",
  ]) {
    assertKept(text);
    assertKept({ [text]: text });
  }
  assertKept("ä€𝄞x".repeat(500_000));
});

test("plain values have the bytes that cbor-x gives them", () => {
  const encoder = new Encoder({ useRecords: false, variableMapSize: true });
  fastCheck.assert(
    fastCheck.property(plainValue, (value) => {
      const bytes = encodeValue(value);
      assert.ok(!isExtended(bytes));
      assert.deepStrictEqual(Buffer.from(bytes), Buffer.from(encoder.encode(value)));
    }),
    parameters,
  );
});

test("numbers come back exactly", () => {
  const edges = [
    0,
    23,
    24,
    255,
    256,
    65_535,
    65_536,
    2 ** 31,
    2 ** 32,
    2 ** 53,
    1e300,
    5e-324,
    0.1,
    Infinity,
    2 ** 60,
  ];
  for (const edge of edges) {
    for (const number of [edge, -edge, edge - 1, edge + 1, -edge - 1, -edge + 1, edge + 0.5])
      assertKept(number);
  }
  assertKept(Number.NaN);
});

test("all NaN have the same bytes", () => {
  const odd = new Float64Array(new BigUint64Array([0xfff8_0000_0000_1234n]).buffer)[0];
  assert.deepStrictEqual(encodeValue(odd), encodeValue(Number.NaN));
});

test("big integers of any size come back exactly", () => {
  for (const bits of [0n, 1n, 31n, 32n, 53n, 63n, 64n, 65n, 127n, 128n, 4_096n, 1_000_000n]) {
    for (const step of [-1n, 0n, 1n]) {
      assertKept(2n ** bits + step);
      assertKept(-(2n ** bits) + step);
    }
  }
});

test("dates come back to the millisecond, before 1970, far away, and invalid", () => {
  for (const time of [0, 1, -1, 999, -62_198_755_200_001, 8.64e15, -8.64e15, 8.64e15 - 1, -8.64e15 + 1]) {
    assertKept(new Date(time));
  }
  // On Node 20 deepStrictEqual holds no two invalid dates equal.
  assert.ok(Number.isNaN(kept([new Date(Number.NaN)])[0]!.getTime()));
  fastCheck.assert(
    fastCheck.property(fastCheck.integer({ min: -8.64e15, max: 8.64e15 }), (time) =>
      assertKept(new Date(time)),
    ),
    { ...parameters, numRuns: 5_000 },
  );
});

test("keys that mean something to JavaScript are kept as data", () => {
  const value = JSON.parse(
    '{"__proto__":{"a":1},"constructor":1,"toJSON":2,"length":3,"then":4,"":5,"hasOwnProperty":6}',
  );
  assertKept(value);
  const loaded = kept(value);
  assert.ok(Object.hasOwn(loaded, "__proto__"));
  assert.strictEqual(Object.getPrototypeOf(loaded), Object.prototype);
  assert.strictEqual(({} as { a?: number }).a, undefined);
  assertKept(JSON.parse('{"deep":[{"__proto__":null}]}'));
});

test("number-like keys, many keys and large arrays are kept", () => {
  assertKept({ 10: "a", 2: "b", x: "c", "-1": "d", 4294967296: "e" });
  assertKept(Object.fromEntries(Array.from({ length: 70_000 }, (_, index) => [`key ${index}`, index])));
  const items = Array.from({ length: 1_000_000 }, (_, index) => index / 3);
  assert.deepStrictEqual(kept(items), items);
});

test("null prototypes are kept, beside plain objects", () => {
  const bare = Object.assign(Object.create(null) as object, { a: 1, nested: Object.create(null) as object });
  assertKept({ bare, plain: {} });
  assert.strictEqual(Object.getPrototypeOf(kept({ bare }).bare), null);
});

test("maps and sets keep keys of every kind, and their order", () => {
  const key = { part: 1 };
  assertKept(
    new Map<unknown, unknown>([
      [1, "a"],
      ["1", "b"],
      [key, "c"],
      [null, new Map()],
      [1n, new Set([[], {}])],
    ]),
  );
  assert.deepStrictEqual(
    [
      ...kept(
        new Map([
          ["z", 1],
          ["a", 2],
        ]),
      ).keys(),
    ],
    ["z", "a"],
  );
});

test("every typed array, ArrayBuffer and DataView comes back as its own class in memory of its own", () => {
  const source = new Uint8Array(64).map((_, index) => index * 37);
  const names = [
    "Int8",
    "Uint8",
    "Uint8Clamped",
    "Int16",
    "Uint16",
    "Int32",
    "Uint32",
    "BigInt64",
    "BigUint64",
    "Float16",
    "Float32",
    "Float64",
  ];
  const classes = globalThis as unknown as Record<
    string,
    new (
      buffer: ArrayBuffer,
      offset: number,
      length: number,
    ) => Uint8Array
  >;
  for (const name of names) {
    const make = classes[`${name}Array`];
    if (make === undefined) continue;
    const view = new make(source.buffer, 16, 3);
    assertKept({ odd: "x", view });
    const loaded = kept({ view }).view;
    assert.strictEqual(loaded.constructor, make);
    assert.strictEqual(loaded.buffer.byteLength, loaded.byteLength);
  }
  assertKept([source.buffer, new DataView(source.buffer, 3, 5), new Float32Array(0), new ArrayBuffer(0)]);
});

test("a Buffer inside a value comes back as a Uint8Array", () => {
  assert.deepStrictEqual(kept({ buffer: Buffer.from("abc") }), { buffer: Uint8Array.from([97, 98, 99]) });
});

test("typed arrays with more items than are listed one by one are kept", () => {
  assertKept([new Float32Array(1_000), new Uint8Array(100_000), new BigInt64Array(65)]);
  assert.strictEqual(kept([Buffer.alloc(1_000)])[0]!.length, 1_000);
});

test("an object that occurs twice comes back as two equal copies", () => {
  const shared = { a: [1] };
  const loaded = kept([shared, shared]);
  assert.deepStrictEqual(loaded, [shared, shared]);
  assert.notStrictEqual(loaded[0], loaded[1]);
});

test("plain values of another realm are kept as values of this one", () => {
  const value = vm.runInNewContext(
    "({ a: [1, { b: new Map([[1, new Set([2])]]) }], d: new Date(5), f: new Float32Array(2) })",
  );
  const expected = { a: [1, { b: new Map([[1, new Set([2])]]) }], d: new Date(5), f: new Float32Array(2) };
  assert.deepStrictEqual(kept(value), expected);
});

const NESTINGS: readonly [string, (inner: unknown) => unknown][] = [
  ["arrays", (inner) => [inner]],
  ["objects", (inner) => ({ inner })],
  ["maps", (inner) => new Map([["inner", inner]])],
  ["map keys", (inner) => new Map([[inner, 1]])],
  ["sets", (inner) => new Set([inner])],
  ["bare objects", (inner) => Object.assign(Object.create(null) as object, { inner })],
];

for (const [name, wrap] of NESTINGS) {
  test(`${name} nested 1,000 levels deep are kept`, () => {
    let value: unknown = wrap(7);
    for (let level = 1; level < 1_000; level++) value = wrap(value);
    const bytes = Uint8Array.from(encodeValue(value));
    validateCbor(bytes);
    assert.deepStrictEqual(Buffer.from(encodeValue(decodeValue(bytes))), Buffer.from(bytes));
  });
}

test("bytes that were handed out are never written again", () => {
  const handedOut: { bytes: Uint8Array; digest: string }[] = [];
  const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
  const save = (value: unknown): void => {
    const bytes = encodeValue(value);
    handedOut.push({ bytes, digest: digestOf(bytes) });
  };
  for (let index = 0; index < 20_000; index++) {
    save({ index, text: "x".repeat((index * 7919) % 3_000), at: index % 3 === 0 ? new Date(index) : index });
    if (index % 100 === 0) save(new Uint8Array(100_000).fill(index));
    if (index % 10 === 0) assert.throws(() => encodeValue({ index, text: "y".repeat(index), bad: () => 1 }));
  }
  for (const { bytes, digest } of handedOut) assert.strictEqual(digestOf(bytes), digest);
});

test("changing a loaded value changes nothing elsewhere", () => {
  const bytes = Uint8Array.from(
    encodeValue({ a: new Uint8Array([1, 2, 3]), b: new Float64Array([1]), c: new ArrayBuffer(4) }),
  );
  const first = decodeValue(bytes) as { a: Uint8Array; b: Float64Array; c: ArrayBuffer };
  first.a.fill(9);
  first.b[0] = 9;
  new Uint8Array(first.c).fill(9);
  assert.deepStrictEqual(decodeValue(bytes), {
    a: new Uint8Array([1, 2, 3]),
    b: new Float64Array([1]),
    c: new ArrayBuffer(4),
  });
});

test.run();

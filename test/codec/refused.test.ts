import assert from "node:assert";
import vm from "node:vm";
import fastCheck from "fast-check";
import { suite } from "uvu";
import { encodeBytes } from "../../engine/codec/bytes.ts";
import { decodeValue, encodeValue } from "../../engine/codec/cbor.ts";
import { anyValue, errorOf, parameters } from "./support.ts";

const test = suite("cbor refusals");

function refused(value: unknown, message: string, path: string): void {
  const error = errorOf("UNSUPPORTED_VALUE", () => encodeValue(value));
  assert.strictEqual(error.message, message);
  assert.deepStrictEqual(error.details, { path });
  assert.ok(error.hint !== undefined);
}

class Model {
  weight = 1;
}

test("a refusal names the path inside the value", () => {
  const layers = [1, 2, { activation: () => 1 }];
  refused({ layers }, "value.layers[2].activation is a function", "value.layers[2].activation");
  refused(() => 1, "value is a function", "value");
  refused({ "a key": { é: [Symbol("x")] } }, 'value["a key"].é[0] is a symbol', 'value["a key"].é[0]');
  refused({ "": () => 1 }, 'value[""] is a function', 'value[""]');
});

test("the name of the root can be given", () => {
  assert.strictEqual(
    errorOf("UNSUPPORTED_VALUE", () => encodeValue([() => 1], "weights")).message,
    "weights[0] is a function",
  );
});

test("parts of maps and sets have readable paths", () => {
  refused(new Map([["a", { b: () => 1 }]]), 'value.get("a").b is a function', 'value.get("a").b');
  refused(new Map([[5, () => 1]]), "value.get(5) is a function", "value.get(5)");
  refused({ m: new Map([[{}, () => 1]]) }, "value.m.<value 0> is a function", "value.m.<value 0>");
  refused(new Map([[() => 1, 1]]), "value.<key 0> is a function", "value.<key 0>");
  refused(new Set([1, () => 1]), "value.<item 1> is a function", "value.<item 1>");
});

test("the path is right after siblings that were deeper", () => {
  refused(
    { a: { b: { c: [1] } }, d: [new Map([[1, [2]]]), () => 1] },
    "value.d[1] is a function",
    "value.d[1]",
  );
});

test("promises, instances and other objects without a codec are refused by name", () => {
  const cases: [unknown, string][] = [
    [Promise.resolve(1), "is a promise"],
    [new Model(), "is an instance of Model"],
    [new (class extends Map {})(), "is an object with a prototype of its own"],
    [new (class Rows extends Array {})(), "is an instance of Rows"],
    [new (class Bytes extends Uint8Array {})(4), "is an instance of Bytes"],
    [new Error("x"), "is an error (Error)"],
    [new TypeError("x"), "is an error (TypeError)"],
    [/x/g, "is an instance of RegExp"],
    [new URL("http://localhost"), "is an instance of URL"],
    [new WeakMap(), "is an instance of WeakMap"],
    [Object(1), "is an instance of Number"],
    [Object("x"), "is an instance of String"],
    [Object(Symbol("x")), "is an instance of Symbol"],
    [new Blob([]), "is an instance of Blob"],
    [Object.create({ inherited: 1 }), "is an object with a prototype of its own"],
    [Object.create(Object.create(null)), "is an object with a prototype of its own"],
    [Object.setPrototypeOf(new Map(), null), "is an object with a prototype of its own"],
  ];
  for (const [value, reason] of cases) refused({ a: value }, `value.a ${reason}`, "value.a");
  const listed = (function (..._all: number[]) {
    // biome-ignore lint/complexity/noArguments: this object is what is tested
    return arguments;
  })(1, 2);
  assert.throws(() => encodeValue(listed));
  assert.throws(() => encodeValue((function* () {})()));
  assert.throws(() => encodeValue(Math));
  assert.throws(() => encodeValue(vm.runInNewContext("new (class Foreign { a = 1 })()")));
});

test("proxies are refused without a trap being called", () => {
  const traps = new Proxy({}, { get: () => assert.fail("a trap was called") });
  const proxies = [new Proxy({}, traps), new Proxy([], traps), new Proxy(new Map(), traps)];
  for (const proxy of proxies) refused({ proxy }, "value.proxy is a proxy", "value.proxy");
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  refused([proxy], "value[0] is a proxy", "value[0]");
  assert.throws(() => encodeValue(Object.create(new Proxy({}, traps))));
});

test("accessors are refused and never called", () => {
  const called = (): never => assert.fail("an accessor was called");
  const reason = "is an accessor (a getter or setter)";
  refused(
    { a: Object.defineProperty({}, "b", { get: called, enumerable: true }) },
    `value.a.b ${reason}`,
    "value.a.b",
  );
  refused(Object.defineProperty({}, "b", { set: called, enumerable: true }), `value.b ${reason}`, "value.b");
  refused(Object.defineProperty([1, 2], 1, { get: called }), `value[1] ${reason}`, "value[1]");
  refused(Object.defineProperty([1, 2], 1, { set: called }), `value[1] ${reason}`, "value[1]");
  assert.throws(() => encodeValue(Object.defineProperty([1, 2], "x", { get: called, enumerable: true })));
  assert.throws(() => encodeValue(Object.defineProperty({}, Symbol.iterator, { get: called })));
  assert.throws(() =>
    encodeValue(Object.defineProperty(new Uint8Array(4), "buffer", { get: called, enumerable: true })),
  );
});

test("no method of a value is called", () => {
  const called = (): never => assert.fail("a method was called");
  const hooks = { toJSON: called, valueOf: called, toString: called, [Symbol.toPrimitive]: called };
  assert.throws(() => encodeValue(hooks), /value has a symbol as a key/);
  assert.throws(() => encodeValue({ toJSON: called }), /value.toJSON is a function/);
});

test("symbols as keys are refused", () => {
  refused([{ [Symbol("s")]: 1 }], "value[0] has a symbol as a key: Symbol(s)", "value[0]");
  assert.throws(() => encodeValue(Object.assign([1], { [Symbol("s")]: 1 })), /symbol/);
  assert.throws(() => encodeValue(Object.assign(new Map(), { [Symbol("s")]: 1 })), /symbol/);
});

test("a cycle is refused at the place that closes it", () => {
  const a: Record<string, unknown> = { name: "a" };
  a.b = { list: [1, a] };
  refused(a, "value.b.list[1] closes a cycle: it is value again", "value.b.list[1]");
  const list: unknown[] = [];
  list.push(list);
  refused({ x: [list] }, "value.x[0][0] closes a cycle: it is value.x[0] again", "value.x[0][0]");
  const map = new Map<string, unknown>();
  map.set("self", map);
  refused(map, 'value.get("self") closes a cycle: it is value again', 'value.get("self")');
  const set = new Set<unknown>();
  set.add(set);
  refused(set, "value.<item 0> closes a cycle: it is value again", "value.<item 0>");
});

test("a long cycle, and one beside much data, is refused too", () => {
  const first: Record<string, unknown> = {};
  let last = first;
  for (let index = 0; index < 700; index++) last = last.n = {} as Record<string, unknown>;
  last.n = first;
  assert.match(
    errorOf("UNSUPPORTED_VALUE", () => encodeValue(first)).message,
    /n closes a cycle: it is value again$/,
  );
  const wide: Record<string, unknown> = { data: new Uint8Array(1_000_000) };
  wide.self = wide;
  refused(wide, "value.self closes a cycle: it is value again", "value.self");
});

test("deeper than 1,000 levels is refused, however deep, and never a RangeError", () => {
  for (const levels of [1_001, 1_024, 100_000]) {
    let value: unknown = 7;
    for (let level = 0; level < levels; level++) value = [value];
    assert.match(
      errorOf("UNSUPPORTED_VALUE", () => encodeValue(value)).message,
      /nested more than 1000 levels deep$/,
    );
  }
});

test("where little stack is left the error is a VarveError", () => {
  let value: unknown = 7;
  for (let level = 0; level < 1_000; level++) value = [value];
  const bytes = Uint8Array.from(encodeValue(value));
  const atTheEndOfTheStack = (call: () => unknown): unknown => {
    try {
      return atTheEndOfTheStack(call);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return call();
    }
  };
  const outcomes = new Set<unknown>();
  const tryBoth = (): void => {
    for (const call of [() => encodeValue(value), () => decodeValue(bytes)]) {
      try {
        call();
      } catch (error) {
        outcomes.add((error as { code?: string }).code);
      }
    }
  };
  try {
    atTheEndOfTheStack(tryBoth);
  } catch (error) {
    assert.ok(error instanceof RangeError);
  }
  for (const code of outcomes)
    assert.ok(code === "UNSUPPORTED_VALUE" || code === "NOT_SUPPORTED" || code === undefined);
  assert.deepStrictEqual(
    decodeValue(Uint8Array.from(encodeValue({ a: 1 }))),
    { a: 1 },
    "both work afterwards",
  );
});

test("sparse arrays and arrays with more than items are refused", () => {
  // biome-ignore lint/suspicious/noSparseArray: it is what is tested
  refused({ a: [1, , 3] }, "value.a[1] is a hole in a sparse array", "value.a[1]");
  refused(new Array(3), "value[0] is a hole in a sparse array", "value[0]");
  refused(
    [Object.assign([1], { extra: 1 })],
    "value[0] is an array with properties beside its items",
    "value[0]",
  );
  const long = Object.assign(new Array(1_000).fill(0), { extra: 1 });
  refused(long, "value is an array with properties beside its items", "value");
  assert.throws(
    () => encodeValue([Object.assign(new Float32Array(1_000), { extra: 1 })]),
    /beside its items/,
  );
  assert.throws(() => encodeValue([Object.assign(new Float32Array(3), { extra: 1 })]), /beside its items/);
  assert.throws(() => encodeValue(Object.assign(new Map(), { extra: 1 })), /beside its content/);
  assert.throws(() => encodeValue(Object.assign(new Date(), { extra: 1 })), /beside its content/);
});

test("memory that others may change is refused", () => {
  refused([new Uint8Array(new SharedArrayBuffer(4))], "value[0] lies in a SharedArrayBuffer", "value[0]");
  assert.throws(() => encodeValue({ a: new SharedArrayBuffer(4) }), /is an instance of SharedArrayBuffer/);
  const resizable = new (ArrayBuffer as new (length: number, options: object) => ArrayBuffer)(4, {
    maxByteLength: 8,
  });
  refused([resizable], "value[0] lies in a resizable ArrayBuffer", "value[0]");
  assert.throws(() => encodeValue([new Uint8Array(resizable)]), /resizable/);
  const gone = new Float32Array(4);
  structuredClone(gone, { transfer: [gone.buffer] });
  assert.throws(() => encodeValue([gone]), /transferred away/);
  assert.throws(() => encodeValue([gone.buffer]), /transferred away/);
  const buffer = new ArrayBuffer(4);
  const dataView = new DataView(buffer, 2);
  structuredClone(buffer, { transfer: [buffer] });
  assert.throws(() => encodeValue([dataView]), /transferred away/);
});

test("a value is refused wherever in it something is not kept, and encoding works afterwards", () => {
  fastCheck.assert(
    fastCheck.property(anyValue, (value) => {
      assert.match(
        errorOf("UNSUPPORTED_VALUE", () => encodeValue({ value, bad: [value, () => 1] })).message,
        /^value\.bad\[1\] /,
      );
      encodeValue(value);
    }),
    parameters,
  );
});

test("a property that hides a built-in one is neither heeded nor called", () => {
  const called = (): never => assert.fail("an accessor was called");
  const hide = <T extends object>(value: T, ...names: string[]): T => {
    for (const name of names) Object.defineProperty(value, name, { get: called, enumerable: false });
    return value;
  };
  const view = ["buffer", "byteOffset", "byteLength", "length", "constructor"];
  assert.deepStrictEqual(decodeValue(encodeValue([hide(new Float32Array([1, 2]), ...view)])), [
    new Float32Array([1, 2]),
  ]);
  const long = hide(new Uint8Array(1_000), ...view);
  assert.deepStrictEqual(decodeValue(encodeValue([long])), [new Uint8Array(1_000)]);
  assert.deepStrictEqual(encodeBytes(hide(new Uint8Array(3), ...view)), new Uint8Array(3));
  const dataView = hide(new DataView(new ArrayBuffer(2)), "buffer", "byteOffset", "byteLength");
  encodeValue([dataView, hide(new ArrayBuffer(2), "byteLength", "resizable")]);
  encodeValue([hide(new Map([[1, 2]]), "size", "entries", "forEach"), hide(new Set([1]), "size", "values")]);
  encodeValue(hide(new Date(5), "getTime"));
});

test("only enumerable own properties are part of an object", () => {
  const value = Object.defineProperty({ a: 1 }, "hidden", { value: 2, enumerable: false });
  assert.deepStrictEqual(decodeValue(encodeValue(value)), { a: 1 });
});

test.run();

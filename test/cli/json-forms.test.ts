import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseForms, toForms } from "../../cli/json-forms.ts";
import { jsonText } from "../../cli/printable.ts";
import { decodeValue, encodeValue } from "../../engine/codec/cbor.ts";
import { Random } from "../helpers/random.ts";

const test = suite("JSON forms");
const { seed } = new Random("JSON forms");

function throughJson(value: unknown): unknown {
  return parseForms(jsonText(toForms(value)), "value");
}

function isKept(value: unknown): boolean {
  return Buffer.from(encodeValue(throughJson(value))).equals(encodeValue(value));
}

test("each form reads back as what it was written for", () => {
  for (const [value, json] of [
    [1n, '{"$bigint":"1"}'],
    [-(2n ** 70n), '{"$bigint":"-1180591620717411303424"}'],
    [-0, '{"$number":"-0"}'],
    [Number.NaN, '{"$number":"NaN"}'],
    [Number.NEGATIVE_INFINITY, '{"$number":"-Infinity"}'],
    [undefined, '{"$undefined":true}'],
    [new Date(0), '{"$date":"1970-01-01T00:00:00.000Z"}'],
    [new Date(8.64e15), '{"$date":"+275760-09-13T00:00:00.000Z"}'],
    [new Date(Number.NaN), '{"$date":null}'],
    [new Map([[{}, [new Set([1])]]]), '{"$map":[[{},[{"$set":[1]}]]]}'],
    [Uint8Array.of(1, 2), '{"$bytes":"AQI="}'],
    [new Uint8Array(0), '{"$bytes":""}'],
    [Uint16Array.of(1, 2), '{"$typed":["Uint16Array","AQACAA=="]}'],
    [new DataView(Uint8Array.of(7).buffer), '{"$typed":["DataView","Bw=="]}'],
    [Uint8Array.of(7).buffer, '{"$typed":["ArrayBuffer","Bw=="]}'],
    [Object.assign(Object.create(null), { $a: 1 }), '{"$bare":{"$$a":1}}'],
    [{ $date: 1, $$: { $: 2 } }, '{"$$date":1,"$$$":{"$$":2}}'],
    [JSON.parse('{"__proto__":{"a":1}}'), '{"__proto__":{"a":1}}'],
    ["\ud800", '"\\ud800"'],
    ["\u009b\u202e", '"\\u009b\\u202e"'],
  ] as [unknown, string][]) {
    assert.is(jsonText(toForms(value)), json);
    assert.ok(isKept(value), json);
  }
});

test("a Buffer is written as the bytes that it loads as, and only the part that a view shows", () => {
  assert.is(jsonText(toForms(Buffer.from("ab"))), '{"$bytes":"YWI="}');
  assert.is(jsonText(toForms(Uint8Array.of(1, 2, 3).subarray(1, 2))), '{"$bytes":"Ag=="}');
});

test("__proto__ becomes a key and no prototype", () => {
  const value = throughJson(JSON.parse('{"__proto__":{"polluted":1}}')) as object;
  assert.is(Object.getPrototypeOf(value), Object.prototype);
  assert.equal(Object.keys(value), ["__proto__"]);
});

test("any value that the store keeps reads back to the same bytes", () => {
  const anything = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
    withNullPrototype: true,
    key: fc.oneof(fc.string(), fc.constantFrom("__proto__", "$date", "$", "$$x", "10", "2", "\ud800")),
    maxDepth: 4,
  });
  fc.assert(
    fc.property(anything, (value) => {
      assert.ok(isKept(decodeValue(encodeValue(value))));
    }),
    { seed, numRuns: 2_000 },
  );
});

test("the deepest value that the store keeps reads back", () => {
  let value: unknown = 1;
  for (let level = 0; level < 1_000; level++) value = new Map([["k", value]]);
  assert.ok(isKept(value));
});

test("JSON that is nested without end is a usage error", () => {
  const levels = 2_000_000;
  assert.throws(() => parseForms("[".repeat(levels) + "]".repeat(levels), "value"), /nested too deeply/);
});

test("a form that is none, or has a wrong content, is refused with its place", () => {
  for (const [json, place] of [
    ['[{"$unknown":1}]', "value[0]"],
    ['{"a":{"$date":"2026-11-24T10:00:00Z","b":1}}', "value.a"],
    ['{"$ref":"#"}', "value"],
    ['{"$bigint":"1.5"}', "value"],
    ['{"$bigint":1}', "value"],
    ['{"$date":"yesterday"}', "value"],
    ['{"$date":"2026-11-24T10:00:00"}', "value"],
    ['{"$date":"2026-13-24"}', "value"],
    ['{"$number":"1"}', "value"],
    ['{"$number":"toString"}', "value"],
    ['{"$map":[[1]]}', "value"],
    ['{"$map":{}}', "value"],
    ['{"$set":1}', "value"],
    ['{"$bytes":"AQI"}', "value"],
    ['{"$bytes":"!!!!"}', "value"],
    ['{"$bytes":7}', "value"],
    ['{"$typed":["Float64Array","AQI="]}', "value"],
    ['{"$typed":["Function","AQI="]}', "value"],
    ['{"$typed":"AQI="}', "value"],
    ['{"$undefined":false}', "value"],
    ['{"$bare":[]}', "value"],
    ['{"$bare":{"$a":1}}', "value"],
  ] as const) {
    let message = "";
    try {
      parseForms(json, "value");
    } catch (error) {
      message = (error as Error).message;
    }
    assert.ok(message.startsWith(`${place} `) || message.startsWith(`${place}:`), `${json}: ${message}`);
  }
});

test("a number that would be changed by reading it is refused, wherever it stands", () => {
  for (const json of ["9007199254740993", '{"a\\"1":[1,-12345678901234567890]}', "1e400", "[1,-1e999]"]) {
    assert.throws(() => parseForms(json, "value"), /does not fit/, json);
  }
  for (const json of [
    "9007199254740992",
    "1152921504606847000",
    '"12345678901234567890"',
    "0.1",
    '["\\\\",1]',
    "1e21",
  ]) {
    assert.equal(parseForms(json, "value"), JSON.parse(json));
  }
});

test.run();

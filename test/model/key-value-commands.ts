import fastCheck from "fast-check";
import type { Key } from "../../engine/key.ts";
import type { RangeOptions } from "../../engine/key-value-api.ts";

const { constantFrom, constant, record, oneof, array, boolean, nat } = fastCheck;

const numbers = oneof(
  fastCheck.double({ noNaN: true }),
  fastCheck.integer(),
  constantFrom(
    0,
    -0,
    1,
    -1,
    255,
    256,
    -(2 ** 31),
    2 ** 53,
    5e-324,
    Number.NEGATIVE_INFINITY,
    Number.POSITIVE_INFINITY,
  ),
);
const texts = oneof(
  fastCheck.string({ unit: "binary", maxLength: 6 }),
  array(constantFrom("\0", "a", "b", "\u00ff", "\uffee", "😀"), { maxLength: 4 }).map((all) => all.join("")),
);
const bytes = oneof(
  fastCheck.uint8Array({ maxLength: 5 }),
  array(constantFrom(0, 1, 255), { maxLength: 4 }).map((all) => Uint8Array.from(all)),
);
const lists = array(oneof(texts, numbers), { maxLength: 4 });

/** Keys of every kind, many with the bytes that an encoding has to escape. */
export const anyKey: fastCheck.Arbitrary<Key> = oneof(numbers, texts, bytes, lists);

/** Keys that meet again. */
const few: readonly Key[] = [
  0,
  -1,
  1.5,
  "",
  "a",
  "a\0",
  "a\0b",
  "ab",
  "\uffee",
  "😀",
  [],
  ["a"],
  ["a", 1],
  ["a", ""],
  ["a\0b"],
  ["ab"],
  [1],
  [1, "a"],
];
export const fewKeys: fastCheck.Arbitrary<Key> = oneof(
  { weight: 5, arbitrary: constantFrom(...few) },
  {
    weight: 1,
    arbitrary: constantFrom(Uint8Array.of(), Uint8Array.of(0), Uint8Array.of(255), Uint8Array.of(255, 255)),
  },
  { weight: 1, arbitrary: anyKey },
);

const VALUES = [
  undefined,
  null,
  1,
  "text",
  { a: [1n] },
  "big ".repeat(1_500),
  new Uint8Array(70_000).fill(3),
  "x".repeat(300),
];

export type PutOrDelete =
  | { type: "put"; key: Key; value: unknown; ifAbsent?: boolean; ifKey?: Key; ifNever?: boolean }
  | { type: "del"; key: Key };

export type Step =
  | { type: "one"; operation: PutOrDelete }
  | { type: "batch"; operations: PutOrDelete[] }
  | { type: "read"; keys: Key[]; snapshot: number }
  | { type: "range"; options: RangeOptions; snapshot: number; leaveAfter: number }
  | { type: "fill"; count: number }
  | { type: "snapshot" | "closeSnapshots" | "stats" | "verify" | "reopen" | "rebuild" };

/** `ifKey`: the sequence number that this key has then; `ifNever`: one that no key has. */
const put: fastCheck.Arbitrary<PutOrDelete> = record(
  {
    type: constant("put" as const),
    key: fewKeys,
    value: constantFrom<unknown[]>(...VALUES),
    ifAbsent: boolean(),
    ifKey: fewKeys,
    ifNever: constantFrom(false, false, false, true),
  },
  { requiredKeys: ["type", "key", "value"] },
);
const plainPut: fastCheck.Arbitrary<PutOrDelete> = record({
  type: constant("put" as const),
  key: fewKeys,
  value: constantFrom<unknown[]>(...VALUES),
});
const del: fastCheck.Arbitrary<PutOrDelete> = record({ type: constant("del" as const), key: fewKeys });
const operation = oneof(
  { weight: 4, arbitrary: plainPut },
  { weight: 2, arbitrary: del },
  { weight: 1, arbitrary: put },
);

const paging = { reverse: boolean(), limit: nat(5), values: boolean() };
const prefix = oneof(
  texts,
  bytes,
  lists,
  constantFrom<string | Uint8Array | (string | number)[]>("", "a", "a\0", ["a"], [], [1], Uint8Array.of(255)),
);
export const anyRange: fastCheck.Arbitrary<RangeOptions> = oneof(
  record({ gt: fewKeys, lt: fewKeys, ...paging }, { requiredKeys: [] }),
  record({ gte: fewKeys, lte: fewKeys, ...paging }, { requiredKeys: [] }),
  record({ gt: fewKeys, lte: fewKeys, ...paging }, { requiredKeys: [] }),
  record({ gte: fewKeys, lt: fewKeys, ...paging }, { requiredKeys: [] }),
  record({ prefix, ...paging }, { requiredKeys: ["prefix"] }),
  record({ prefix, gt: fewKeys, gte: fewKeys, lt: fewKeys, lte: fewKeys }, { requiredKeys: [] }),
);

export const anyStep: fastCheck.Arbitrary<Step> = oneof(
  { weight: 8, arbitrary: record({ type: constant("one" as const), operation: oneof(operation, put) }) },
  {
    weight: 4,
    arbitrary: record({ type: constant("batch" as const), operations: array(operation, { maxLength: 6 }) }),
  },
  {
    weight: 3,
    arbitrary: record({
      type: constant("read" as const),
      keys: array(fewKeys, { maxLength: 5 }),
      snapshot: nat(3),
    }),
  },
  {
    weight: 6,
    arbitrary: record({
      type: constant("range" as const),
      options: anyRange,
      snapshot: nat(3),
      leaveAfter: constantFrom(99_999, 99_999, 2),
    }),
  },
  { weight: 1, arbitrary: record({ type: constant("fill" as const), count: nat(300) }) },
  { weight: 2, arbitrary: record({ type: constant("snapshot" as const) }) },
  {
    weight: 2,
    arbitrary: record({ type: constantFrom("stats" as const, "verify" as const, "closeSnapshots" as const) }),
  },
  { weight: 2, arbitrary: record({ type: constantFrom("reopen" as const, "rebuild" as const) }) },
);

import fastCheck from "fast-check";
import type { Json } from "../../engine/api.ts";
import { Random } from "../helpers/random.ts";
import { MIB, noise } from "../large/support.ts";
import type { ModelFilter, ModelRef } from "./store-model.ts";

/** Arbitrary calls on an artifact store, over few names, aliases and values, so that they meet each other. */

export const NAMES = ["a", "a/b", "a/b/c", "a!", "ab", "é/x", "\uffee", "😀"];
const ALIASES = ["prod", "v1.0", "__proto__"];
const TAG_KEYS = ["stage", "team", "__proto__"];
const PATTERNS = ["**", "*", "a/*", "a/**", "**/b", "**/c", "*b*", "a*", "é/*", "a", "none*", "😀*"];

const SHORT_CODE = "() => 1";
const LONG_CODE = `() => ${"1 + ".repeat(200)}1`;

export const VALUES: readonly unknown[] = [
  null,
  undefined,
  { layers: [1, 2, { rate: -0 }], at: new Date(5) },
  "text",
  new Map<unknown, unknown>([[1n, new Set(["x"])]]),
  Uint8Array.of(1, 2, 3),
  new Uint8Array(),
  Buffer.alloc(300, "varve"),
  "long ".repeat(2_000),
  new Uint8Array(70_000).fill(7),
  new Float64Array(12_000).fill(0.5),
];

const BASE = noise(new Random("", 1));
/** Kept in chunks, most of which they share. */
export const LARGE_VALUES: readonly unknown[] = [
  BASE,
  Buffer.concat([BASE.subarray(0, 500_000), Buffer.from("put in"), BASE.subarray(500_000)]),
  new Uint8Array(BASE.subarray(0, MIB + 1)),
  BASE.toString("latin1", 0, 800_000),
  Buffer.alloc(2 * MIB),
  Buffer.from("small"),
  { small: 1 },
];

export interface SaveCall {
  type: "save";
  name: string;
  value: unknown;
  /** Written to a file and saved from there, where it is bytes. */
  viaFile: boolean;
  mediaType: string | undefined;
  code: string | undefined;
  inputs: (ModelRef | PendingIndex)[];
  tags: Record<string, string>;
  metadata: Record<string, Json>;
  ifVersion: number | "absent" | undefined;
}

/** Stands for one of the saves before it in the same batch. */
export interface PendingIndex {
  pending: number;
}

export type Change =
  | SaveCall
  | { type: "delete"; ref: ModelRef | PendingIndex; aliases: boolean }
  | { type: "setAlias"; name: string; alias: string; version: number | PendingIndex }
  | { type: "deleteAlias"; name: string; alias: string }
  | {
      type: "annotate";
      ref: ModelRef | PendingIndex;
      tags: Record<string, string | null>;
      metadata: Record<string, Json>;
    };

export type Call =
  | { type: "change"; change: Change }
  | { type: "undelete"; ref: ModelRef }
  | { type: "batch"; changes: Change[]; throws: boolean }
  | { type: "read"; ref: ModelRef }
  | { type: "list"; filter: ModelFilter; leaveAfter: number }
  | { type: "names"; name: string }
  | { type: "clock"; now: number }
  | { type: "stats" }
  | { type: "verify" }
  | { type: "reopen" }
  | { type: "compact" }
  | { type: "rebuild" };

const { constantFrom, constant, record, oneof, array, boolean, nat, option } = fastCheck;

const name = oneof({ weight: 3, arbitrary: constantFrom("a", "a/b") }, constantFrom(...NAMES));
const alias = constantFrom(...ALIASES);
const version = nat(4);

const versionRef: fastCheck.Arbitrary<ModelRef> = record({
  name,
  kind: constant("version" as const),
  version,
});
const ref: fastCheck.Arbitrary<ModelRef> = oneof(
  { weight: 3, arbitrary: versionRef },
  { weight: 3, arbitrary: record({ name, kind: constantFrom("bare" as const, "latest" as const) }) },
  { weight: 2, arbitrary: record({ name, kind: constant("alias" as const), alias }) },
  record({ name, kind: constant("all" as const) }),
);
const pending: fastCheck.Arbitrary<PendingIndex> = record({ pending: nat(3) });
const anyRef = oneof({ weight: 2, arbitrary: ref }, pending);

function objectOf<T>(key: fastCheck.Arbitrary<string>, value: fastCheck.Arbitrary<T>) {
  return array(fastCheck.tuple(key, value), { maxLength: 2 }).map(
    (entries) => Object.fromEntries(entries) as Record<string, T>,
  );
}

const tagKey = constantFrom(...TAG_KEYS);
const tagValue = constantFrom("dev", "live", "", "…");
const json = constantFrom<Json>(0.97, "x", true, [1, null], { deep: { null: null } }, "long ".repeat(100));
const code = constantFrom(undefined, undefined, SHORT_CODE, LONG_CODE);

function saveOf(
  input: fastCheck.Arbitrary<ModelRef | PendingIndex>,
  values: readonly unknown[],
): fastCheck.Arbitrary<SaveCall> {
  return record({
    type: constant("save" as const),
    name,
    value: constantFrom(...values),
    viaFile: boolean(),
    mediaType: constantFrom(undefined, undefined, "text/csv"),
    code,
    inputs: oneof(
      { weight: 3, arbitrary: constant<(ModelRef | PendingIndex)[]>([]) },
      array(input, { maxLength: 2 }),
    ),
    tags: objectOf(tagKey, tagValue),
    metadata: objectOf(constantFrom("accuracy", "__proto__", "n"), oneof(json, constant<Json>(null))),
    ifVersion: option(oneof(version, constant("absent" as const)), { nil: undefined, freq: 5 }),
  });
}

function changeOf<T extends ModelRef | PendingIndex>(
  target: fastCheck.Arbitrary<T>,
  aliased: fastCheck.Arbitrary<number | PendingIndex>,
  values: readonly unknown[],
): fastCheck.Arbitrary<Change> {
  return oneof(
    { weight: 6, arbitrary: saveOf(target, values) as fastCheck.Arbitrary<Change> },
    { weight: 2, arbitrary: record({ type: constant("delete" as const), ref: target, aliases: boolean() }) },
    { weight: 3, arbitrary: record({ type: constant("setAlias" as const), name, alias, version: aliased }) },
    { weight: 1, arbitrary: record({ type: constant("deleteAlias" as const), name, alias }) },
    {
      weight: 2,
      arbitrary: record({
        type: constant("annotate" as const),
        ref: target,
        tags: objectOf(tagKey, option(tagValue)),
        metadata: objectOf(constantFrom("accuracy", "__proto__", "n"), option(json)),
      }),
    },
  );
}

const filter: fastCheck.Arbitrary<ModelFilter> = record(
  {
    name: constantFrom(...PATTERNS),
    tags: objectOf(tagKey, tagValue),
    allVersions: boolean(),
    deleted: boolean(),
    reverse: boolean(),
    limit: nat(4),
    after: fastCheck.tuple(name, version).map(([n, v]) => `${n}:${v}`),
  },
  { requiredKeys: [] },
);

const callWith = (values: readonly unknown[]): fastCheck.Arbitrary<Call> =>
  oneof(
    {
      weight: 12,
      arbitrary: record({ type: constant("change" as const), change: changeOf(ref, version, values) }),
    },
    {
      weight: 2,
      arbitrary: record({ type: constant("undelete" as const), ref: oneof(versionRef, versionRef, ref) }),
    },
    {
      weight: 4,
      arbitrary: record({
        type: constant("batch" as const),
        changes: array(changeOf(anyRef, oneof(version, pending), values), { maxLength: 6 }),
        throws: constantFrom(false, false, false, false, true),
      }),
    },
    { weight: 5, arbitrary: record({ type: constant("read" as const), ref }) },
    {
      weight: 6,
      arbitrary: record({ type: constant("list" as const), filter, leaveAfter: constantFrom(99, 99, 1) }),
    },
    { weight: 2, arbitrary: record({ type: constant("names" as const), name }) },
    { weight: 1, arbitrary: record({ type: constant("clock" as const), now: nat(1_000) }) },
    { weight: 2, arbitrary: record({ type: constantFrom("stats" as const, "verify" as const) }) },
    {
      weight: 2,
      arbitrary: record({ type: constantFrom("reopen" as const, "rebuild" as const, "compact" as const) }),
    },
  );

export const anyCall = callWith(VALUES);
export const anyLargeCall = callWith(LARGE_VALUES);

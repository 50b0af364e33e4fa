import * as assert from "node:assert/strict";
import type { JsonObject } from "../../engine/main.ts";
import { compareNames } from "../../engine/main.ts";
import type { MetadataTesting } from "./metadata-support.ts";
import {
  alias,
  all,
  apply,
  at,
  latest,
  plain,
  query,
  refsOf,
  save,
  saved,
  storeTests,
} from "./metadata-support.ts";

/** All of these are names of their own. */
export const ODD_NAMES = [
  "a",
  "A",
  "a ",
  " a",
  "a  ",
  "ä",
  // The same as one sees it, of another code point more.
  "a\u0308",
  "Ä",
  "ß",
  "ss",
  "it's",
  'say "a"',
  "`a`",
  "a;--",
  "' or 1=1 --",
  "a\\",
  "a\\b",
  "a%",
  "a%b",
  "%",
  "_",
  "a_b",
  "axb",
  "a?b",
  "a$1",
  "a{b}",
  "a/b",
  "a/b/c",
  "a0b",
  "null",
  "NULL",
  "0",
  "00",
  "1e3",
  "__proto__",
  "constructor",
  "latest",
  "é",
  "e\u0301",
  "ı",
  "I",
  "i",
  "İ",
  "日本語",
  "\u{1F600}",
  "\u{1F600}a",
  "\uFFFD",
  "\uFF21",
  "\uE000",
  "\u{10FFFF}",
  "a\u00A0",
  "a\u200B",
  "\uFEFFa",
  "x".repeat(512),
  `${"x".repeat(511)}y`,
  "\u{1F600}".repeat(128),
];

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** Names, tags and metadata are nothing but data, and come back as they were. */
export function textTests(testing: MetadataTesting): void {
  nameTests(testing);
  contentTests(testing);
}

function nameTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "text");

  test("names that look alike are names of their own", async (store) => {
    for (const [i, name] of ODD_NAMES.entries()) {
      const record = await saved(store, name, { tags: { number: `${i}` } });
      assert.deepEqual([record.name, record.version], [name, 0]);
      await apply(store, { kind: "alias", name, alias: `n${i}`, version: 0 });
    }
    for (const [i, name] of ODD_NAMES.entries()) {
      const found = await store.find(latest(name));
      assert.deepEqual([found?.name, found?.tags, found?.aliases], [name, { number: `${i}` }, [`n${i}`]]);
      assert.deepEqual(await store.aliases(name), { [`n${i}`]: 0 });
      assert.equal((await all(store.versions(name))).length, 1);
      assert.deepEqual(await refsOf(store, { prefix: name, isExact: true }), [`${name}:0`]);
    }
    assert.equal((await store.counts()).names, ODD_NAMES.length);
  });

  test("names are in the order of the bytes of their UTF-8", async (store) => {
    const sorted = [...ODD_NAMES].sort(byBytes);
    assert.deepEqual([...ODD_NAMES].sort(compareNames), sorted);
    assert.notDeepEqual([...ODD_NAMES].sort(), sorted, "the order of UTF-16 is another");
    await apply(store, ...ODD_NAMES.map((name) => save(name)));
    const listed = (await all(store.list(query({ mode: "latest" })))).map(({ name }) => name);
    assert.deepEqual(listed, sorted);
    for (const sort of ["createdAt", "size"] as const) {
      const value = { digest: new Uint8Array(32), size: 1, mediaType: "text/plain" };
      await apply(store, ...ODD_NAMES.map((name) => save(name, { value })));
      const equal = await all(store.list(query({ mode: "latest", sort })));
      assert.deepEqual(
        equal.map(({ name }) => name),
        sorted,
        `equal ones by name, sorted by ${sort}`,
      );
    }
  });

  test("a list goes on behind each name, in both directions", async (store) => {
    await apply(store, ...ODD_NAMES.map((name) => save(name)));
    const sorted = [...ODD_NAMES].sort(byBytes);
    for (const [i, name] of sorted.entries()) {
      const options = { after: { name, version: 0 }, limit: 2 };
      const next = (await all(store.list(query(options)))).map((record) => record.name);
      assert.deepEqual(next, sorted.slice(i + 1, i + 3));
      const before = (await all(store.list(query({ ...options, reverse: true })))).map(
        (record) => record.name,
      );
      assert.deepEqual(before, sorted.slice(Math.max(0, i - 2), i).reverse());
    }
  });

  test("a prefix is no pattern", async (store) => {
    await apply(store, ...ODD_NAMES.map((name) => save(name)));
    const prefixes = [
      "a",
      "a%",
      "a_",
      "%",
      "_",
      "a\\",
      "'",
      "\u{1F600}",
      "\uFFFD",
      "A",
      "ä",
      "a ",
      "x".repeat(511),
      "?",
    ];
    for (const prefix of prefixes) {
      const wanted = ODD_NAMES.filter((name) => name.startsWith(prefix)).sort(byBytes);
      const listed = (await all(store.list(query({ prefix })))).map(({ name }) => name);
      assert.deepEqual(listed, wanted, `beginning with ${prefix}`);
      const reversed = (await all(store.list(query({ prefix, reverse: true })))).map(({ name }) => name);
      assert.deepEqual(reversed, wanted.reverse(), `beginning with ${prefix}, in reverse`);
    }
  });

  test("aliases differ by case, belong to their name, and are given sorted", async (store) => {
    const aliases = ["b", "B", "a.b", "a-b", "a_b", "A", "x".repeat(128), "0a", "__proto__", "constructor"];
    await saved(store, "n");
    await saved(store, "n");
    await saved(store, "N");
    for (const each of aliases) await apply(store, { kind: "alias", name: "n", alias: each, version: 1 });
    await apply(store, { kind: "alias", name: "n", alias: "a_b", version: 0 });
    const sorted = aliases.filter((each) => each !== "a_b").sort();
    assert.deepEqual((await store.at("n", 1))?.aliases, sorted);
    assert.deepEqual((await store.at("n", 0))?.aliases, ["a_b"]);
    assert.deepEqual(
      new Map(Object.entries(await store.aliases("n"))),
      new Map(aliases.map((each) => [each, each === "a_b" ? 0 : 1])),
    );
    assert.deepEqual(await store.aliases("N"), {});
    assert.equal(await store.find(alias("N", "b")), undefined);
    assert.equal(await store.find(alias("n", "a.B")), undefined);
    assert.equal((await store.find(alias("n", "B")))?.version, 1);
  });
}

const odd = JSON.parse('{"__proto__":"p","constructor":"c","toString":"t"}') as Record<string, string>;

const TAGS: Record<string, string>[] = [
  { "": "no key", empty: "" } as Record<string, string>,
  { "it's": "x' or 1=1 --", "a.b": "1", "a b": "2", "$.a": "3", "a[0]": "4", '"': '"', "\\": "\\" },
  { a: "1", A: "2", "a ": "3", ä: "4", "a\u0308": "5" },
  { long: "x".repeat(4000), line: "a\nb\r\n\tc", nul: "a\u0000b", emoji: "\u{1F600}", key: "null" },
  odd,
].map((tags) => {
  // A tag has a key.
  delete tags[""];
  return tags;
});

const METADATA: JsonObject[] = [
  { null: null, yes: true, no: false, zero: 0, text: "", list: [], object: {} },
  {
    integer: 2 ** 53,
    less: -(2 ** 53),
    more: 2 ** 64,
    big: 1.7976931348623157e308,
    small: 5e-324,
    third: 1 / 3,
    sum: 0.1 + 0.2,
    exact: 1e21,
    negative: -1.5,
    fraction: 123456789.12345679,
  },
  { "": "an empty key", "a.b": { "c.d": [1, [2, [3, { deep: null }]]] }, "it's": '"', "%": "_", "\\": "\\n" },
  { nul: "a\u0000b", "k\u0000": "\u0000", lines: "\u2028\u2029\n", emoji: "\u{1F600}", mark: "\uFEFFx" },
  {
    list: ["", null, false, 0, { a: [] }],
    long: "x".repeat(100_000),
    date: "2026-01-01T00:00:00.000Z",
    number: "1",
  },
  JSON.parse(
    '{"__proto__":{"polluted":true},"constructor":{"__proto__":1},"list":[{"__proto__":null}]}',
  ) as JsonObject,
  { a: 1, A: 2, ä: 3, "a\u0308": 4 },
];

function contentTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "text");

  test("tags come back as they were, whatever text they are", async (store) => {
    for (const tags of TAGS) {
      const record = await saved(store, "a", { tags });
      assert.deepEqual(new Map(Object.entries(record.tags)), new Map(Object.entries(tags)));
      assert.deepEqual(plain(await store.at("a", record.version)), plain(record));
      await apply(store, { kind: "annotate", target: latest("a"), tags });
      const again = await store.find(latest("a"));
      assert.deepEqual(new Map(Object.entries(again!.tags)), new Map(Object.entries(tags)));
    }
    assert.equal((Object.prototype as Record<string, unknown>).polluted, undefined);
  });

  test("metadata come back as they were, whatever JSON they are", async (store) => {
    for (const metadata of METADATA) {
      const text = JSON.stringify(sorted(metadata));
      const record = await saved(store, "a", { metadata });
      assert.equal(JSON.stringify(sorted(record.metadata)), text);
      const found = await store.at("a", record.version);
      assert.equal(JSON.stringify(sorted(found!.metadata)), text);
      await saved(store, "b");
      await apply(store, { kind: "annotate", target: latest("b"), metadata });
      const noted = await store.find(latest("b"));
      assert.equal(JSON.stringify(sorted(noted!.metadata)), JSON.stringify(sorted(withoutNulls(metadata))));
    }
  });

  test("code, inputs and environment may hold any text too", async (store) => {
    const name = "it's %_\\ \u{1F600}";
    await saved(store, name);
    const code = { sources: [{ file: "a'b\\\u{1F600}.ts", text: "\u0000 '\"` $1 {x}\r\n" }, { text: "" }] };
    const environment = { user: "o'neil \u{1F600}", command: ["'", "\\", "\u0000", ""], packages: odd };
    const record = await saved(store, "a", { code, environment, inputs: [latest(name)] });
    const found = await store.at("a", 0);
    assert.deepEqual([found?.code, found?.inputs], [code, [`${name}:0`]]);
    assert.equal(JSON.stringify(sorted(found?.environment)), JSON.stringify(sorted(environment)));
    assert.deepEqual(plain(found), plain(record));
    assert.deepEqual(await store.lineage("down", [at(name, 0)]), [
      { from: { name, version: 0 }, to: { name: "a", version: 0 } },
    ]);
  });
}

/** An annotation can't set a key at the top to null: that removes it. */
function withoutNulls(metadata: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== null));
}

/** With keys in one order: which one they are kept in is not promised. */
function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  const entries = Object.entries(value).map(([key, item]) => [key, sorted(item)] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

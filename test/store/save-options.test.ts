import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { closeAll, newStore, openTestStore } from "../helpers/stores.ts";

/** Code, inputs, conditions, tags, metadata, codecs and times. */
const test = suite("what is saved with a value");
test.after.each(closeAll);

test("code is a function, a text, a file or files, short or long", async () => {
  const store = await newStore();
  const file = join(newFolder(), "train.ts");
  writeFileSync(file, "let x;");
  const train = () => "the trained model";
  const long = "y".repeat(5000);
  const texts = async (name: string) => (await store.get(name)).code!.sources.map(({ text }) => text);
  await store.save("function", 1, { code: train });
  await store.save("long", 1, { code: long });
  await store.save("file", 1, { code: { file } });
  await store.save("files", 1, { code: { files: [file, file] } });
  assert.equal(await texts("function"), [train.toString()]);
  assert.equal(await texts("long"), [long]);
  assert.equal((await store.get("file")).code, { sources: [{ file, text: "let x;" }] });
  assert.equal(await texts("files"), ["let x;", "let x;"]);
  await failureWithHint(store.save("no", 1, { code: { file: `${file}x` } }), "INVALID_ARGUMENT");
  await failureWithHint(store.save("no", 1, { code: 5 as never }), "INVALID_ARGUMENT");
  assert.not(await store.has("no"));
});

test("inputs are recorded with their versions and must exist", async () => {
  const store = await newStore();
  await store.save("in", 1);
  await store.save("in", 2);
  await store.setAlias("in", "good", 0);
  const made = await store.save("out", 3, { inputs: ["in", "in@good", "in:0", "in:latest"] });
  assert.equal(made.inputs, ["in:1", "in:0", "in:0", "in:1"]);
  await failureWithHint(store.save("out", 4, { inputs: ["missing"] }), "NOT_FOUND");
  await failureWithHint(store.save("out", 4, { inputs: ["in:9"] }), "NOT_FOUND");
  await failure(store.save("out", 4, { inputs: ["in:all"] }), "INVALID_ARGUMENT");
  await failureWithHint(store.save("out", 4, { inputs: "in" as never }), "INVALID_ARGUMENT");
  assert.is((await store.get("out")).version, 0);
});

test("ifVersion saves only on the latest version that is not deleted", async () => {
  const store = await newStore();
  await failureWithHint(store.save("x", 0, { ifVersion: 0 }), "CONFLICT");
  await store.save("x", 0, { ifVersion: "absent" });
  await failureWithHint(store.save("x", 1, { ifVersion: "absent" }), "CONFLICT");
  await store.save("x", 1, { ifVersion: 0 });
  await store.delete("x:1");
  await failureWithHint(store.save("x", 2, { ifVersion: 1 }), "CONFLICT");
  assert.is((await store.save("x", 2, { ifVersion: 0 })).version, 2);
  await store.delete("x:all");
  assert.is((await store.save("x", 3, { ifVersion: "absent" })).version, 3);
  await failureWithHint(store.save("x", 0, { ifVersion: -1 }), "INVALID_ARGUMENT");
});

test("of many concurrent saves with one ifVersion exactly one succeeds, and the others write nothing", async () => {
  const store = await newStore();
  await store.save("x", "start");
  const results = await Promise.allSettled(
    Array.from({ length: 50 }, (_, i) => store.save("x", { i }, { ifVersion: 0 })),
  );
  const saved = results.filter(({ status }) => status === "fulfilled");
  assert.is(saved.length, 1);
  for (const result of results) if (result.status === "rejected") assert.is(result.reason.code, "CONFLICT");
  assert.is((await store.stats()).versions, 2);
});

test("what can't be kept is refused with the path inside the value, and nothing is saved", async () => {
  const store = await newStore();
  const error = await failure(
    store.save("x", { layers: [{}, { activation: () => 1 }] }),
    "UNSUPPORTED_VALUE",
  );
  assert.match(error.message, "value.layers[1].activation");
  assert.not(await store.has("x"));
  assert.is((await store.stats()).sequence, 0);
});

test("tags and metadata keep odd keys and texts, or are refused before anything is written", async () => {
  const store = await newStore();
  const metadata = JSON.parse('{"__proto__": {"x": 1}, "constructor": 2, "": 3, "é€😀": [null, true, -0.5]}');
  await store.save("x", 1, { metadata, tags: { __proto: "a", "a.b": "" } });
  const { metadata: kept, tags } = await store.get("x");
  assert.equal(Object.entries(kept), Object.entries(metadata));
  assert.equal(tags, { __proto: "a", "a.b": "" });
  for (const bad of [{ a: undefined }, { a: 1n }, { a: Number.NaN }, { a: new Date() }, [], null, "text"]) {
    await failureWithHint(store.save("x", 1, { metadata: bad as never }), "INVALID_ARGUMENT");
  }
  for (const bad of [{ a: 1 }, { "": "x" }, { a: "\ud800" }, { a: "x".repeat(5000) }, []]) {
    await failureWithHint(store.save("x", 1, { tags: bad as never }), "INVALID_ARGUMENT");
  }
  assert.is((await store.get("x")).version, 0);
});

test("a lone surrogate in metadata fails its own save only, if it fails", async () => {
  const store = await newStore();
  const results = await Promise.allSettled([
    store.save("a", 1),
    store.save("b", 2, { metadata: { text: "\ud800" } }),
    store.save("c", 3),
  ]);
  assert.is(results[0]!.status, "fulfilled");
  assert.is(results[2]!.status, "fulfilled");
  if (results[1]!.status === "fulfilled") assert.equal((await store.get("b")).metadata, { text: "\ud800" });
});

test("a codec of the user keeps class instances under its media type", async () => {
  class Point {
    constructor(
      readonly x: number,
      readonly y: number,
    ) {}
  }
  const codec = {
    mediaType: "application/vnd.test.point",
    accepts: (value: unknown) => value instanceof Point,
    encode: (value: unknown) => Buffer.from(JSON.stringify(value)),
    decode: (bytes: Uint8Array) => {
      const { x, y } = JSON.parse(Buffer.from(bytes).toString());
      return new Point(x, y);
    },
  };
  const home = newFolder();
  const store = await openTestStore(home, { codecs: [codec] });
  const saved = await store.save("point", new Point(1, 2));
  assert.is(saved.mediaType, codec.mediaType);
  assert.instance(await store.load("point"), Point);
  await store.close();
  const without = await openTestStore(home);
  assert.is(Buffer.from(await without.load<Uint8Array>("point")).toString(), '{"x":1,"y":2}');
});

test("long metadata is there for who annotates the version in the same turn", async () => {
  const store = await newStore();
  const text = "m".repeat(1_000);
  const [, annotated] = await Promise.all([
    store.save("x", 1, { metadata: { text } }),
    store.annotate("x:0", { tags: { stage: "dev" } }),
  ]);
  assert.equal([annotated.metadata, annotated.tags], [{ text }, { stage: "dev" }]);
});

test("times never go back within the log, whatever the clock does", async () => {
  let now = 5000;
  const store = await newStore({ clock: () => new Date(now) });
  const first = await store.save("x", 1);
  now = 1000;
  const second = await store.save("x", 2);
  now = 9000;
  const third = await store.save("x", 3);
  assert.equal(
    [first, second, third].map(({ createdAt }) => createdAt.getTime()),
    [5000, 5000, 9000],
  );
});

test.run();

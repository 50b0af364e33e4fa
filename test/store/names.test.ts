import { suite } from "uvu";
import * as assert from "uvu/assert";
import { failureWithHint } from "../helpers/errors.ts";
import { closeAll, newStore } from "../helpers/stores.ts";

const test = suite("names, refs and aliases");
test.after.each(closeAll);

const longest = "ä".repeat(256);
const goodNames = [
  "a",
  "iris/model",
  "a b",
  "a.b-c_d",
  "...",
  "a/...b/.c",
  "ünïcödé/日本/😀",
  longest,
  "-",
  "0",
  "all",
  "latest",
];
const badNames = [
  "",
  "/",
  "a/",
  "/a",
  "a//b",
  ".",
  "..",
  "a/..",
  "./a",
  "a:b",
  "a@b",
  "a\nb",
  "a\u0000",
  "\u007f",
  "\u0085",
];
badNames.push("\ud800", `${longest}x`, "x".repeat(513));

test("every allowed name is kept as it is", async () => {
  const store = await newStore();
  for (const name of goodNames) assert.is((await store.save(name, name)).name, name);
  for (const name of goodNames) assert.is(await store.load(`${name}:0`), name);
  const listed: string[] = [];
  for await (const { name } of store.list()) listed.push(name);
  assert.equal(
    listed,
    [...goodNames].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
  );
});

test("every other name is INVALID_ARGUMENT wherever it is given", async () => {
  const store = await newStore();
  for (const name of [...badNames, 5, null, undefined, {}] as string[]) {
    await failureWithHint(store.save(name, 1), "INVALID_ARGUMENT");
    await failureWithHint(store.aliases(name), "INVALID_ARGUMENT");
    await failureWithHint(store.setAlias(name, "a", 0), "INVALID_ARGUMENT");
    await failureWithHint(async () => {
      for await (const _ of store.versions(name));
    }, "INVALID_ARGUMENT");
  }
  assert.is((await store.stats()).sequence, 0);
});

test("refs that are none are INVALID_ARGUMENT", async () => {
  const store = await newStore();
  await store.save("a", 1);
  const bad = [
    "",
    ":",
    "a:",
    "a@",
    "a:-1",
    "a:1.5",
    "a:01",
    "a:99999999999",
    "a:x",
    "a@b c",
    "a@latest",
    "a@7",
    "a:0:1",
    "a@b:1",
  ];
  for (const ref of [...bad, null, 5, {}, { name: "a" }] as never[]) {
    for (const call of [
      store.load(ref),
      store.get(ref),
      store.find(ref),
      store.has(ref),
      store.annotate(ref, {}),
    ]) {
      await failureWithHint(call, "INVALID_ARGUMENT");
    }
    await failureWithHint(store.delete(ref), "INVALID_ARGUMENT");
    await failureWithHint(store.undelete(ref), "INVALID_ARGUMENT");
  }
  await failureWithHint(store.load("a:all"), "INVALID_ARGUMENT");
});

test("what is not there is NOT_FOUND, or undefined, or false", async () => {
  const store = await newStore();
  await store.save("a", 1);
  for (const ref of ["b", "a:1", "a@none", "a/b", "b:0", "b:latest"]) {
    await failureWithHint(store.get(ref), "NOT_FOUND");
    await failureWithHint(store.load(ref), "NOT_FOUND");
    assert.is(await store.find(ref), undefined);
    assert.is(await store.has(ref), false);
    await failureWithHint(store.annotate(ref, { tags: { a: "b" } }), "NOT_FOUND");
  }
  for (const ref of ["b:0", "a:1", "a@none", "b:all", "b:latest"])
    await failureWithHint(store.delete(ref), "NOT_FOUND");
  assert.is(await store.has("a"), true);
});

test("names that begin alike do not meet", async () => {
  const store = await newStore();
  for (const name of ["a", "a/b", "a b", "ab", "a!", "a0"]) await store.save(name, name);
  await store.save("a", "a second");
  await store.delete("a:all");
  for (const name of ["a/b", "a b", "ab", "a!", "a0"]) {
    assert.is(await store.load(name), name);
    assert.is((await store.get(name)).version, 0);
  }
  assert.is(await store.has("a"), false);
});

test("aliases move, are listed, and belong to one name", async () => {
  const store = await newStore();
  for (const value of [0, 1, 2]) await store.save("m", value);
  await store.save("other", "x");
  await store.setAlias("m", "prod", 0);
  await store.setAlias("m", "a.b_c-1", 2);
  assert.is(await store.load("m@prod"), 0);
  await store.setAlias("m", "prod", 2);
  assert.is(await store.load("m@prod"), 2);
  assert.equal(await store.aliases("m"), { "a.b_c-1": 2, prod: 2 });
  assert.equal(await store.aliases("other"), {});
  assert.equal((await store.get("m:2")).aliases, ["a.b_c-1", "prod"]);
  assert.equal((await store.get("m:0")).aliases, []);
  await store.deleteAlias("m", "prod");
  assert.equal(await store.aliases("m"), { "a.b_c-1": 2 });
  await failureWithHint(store.load("m@prod"), "NOT_FOUND");
  await failureWithHint(store.deleteAlias("m", "prod"), "NOT_FOUND");
});

test("an alias has its own rules and must point at a live version", async () => {
  const store = await newStore();
  await store.save("m", 1);
  await store.save("m", 2);
  await store.delete("m:1");
  for (const alias of [
    "",
    "latest",
    "all",
    "7",
    "0012",
    "a b",
    "a/b",
    "ä",
    "x".repeat(129),
    5,
    null,
  ] as string[]) {
    await failureWithHint(store.setAlias("m", alias, 0), "INVALID_ARGUMENT");
  }
  await store.setAlias("m", "x".repeat(128), 0);
  await store.setAlias("m", "Latest", 0);
  await failureWithHint(store.setAlias("m", "a", 1), "NOT_FOUND");
  await failureWithHint(store.setAlias("m", "a", 7), "NOT_FOUND");
  await failureWithHint(store.setAlias("none", "a", 0), "NOT_FOUND");
  await failureWithHint(store.setAlias("m", "a", -1), "INVALID_ARGUMENT");
  await failureWithHint(store.setAlias("m", "a", 0.5), "INVALID_ARGUMENT");
});

test.run();

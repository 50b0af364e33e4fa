import { existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { allDbs } from "lmdb";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { StoreOptions } from "../../engine/api.ts";
import { openEngine } from "../../engine/key-value.ts";
import { openStore } from "../../engine/main.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { filesUnder, newFolder } from "../helpers/folders.ts";
import { closeAll, newStore, openTestStore, track } from "../helpers/stores.ts";

const test = suite("open and close");
test.after.each(closeAll);

test("a home that is no path is refused, the empty one too, and nothing is made", async () => {
  for (const home of ["", 5, {}, "a\0b", null]) {
    await failureWithHint(openStore({ home: home as never }), "INVALID_ARGUMENT");
    await failureWithHint(openEngine(home as never), "INVALID_ARGUMENT");
  }
  for (const name of ["log", "lock"]) assert.not(existsSync(name), name);
});

test("a home is made where there is none, private to its user, unless that is not wanted", async () => {
  const home = join(newFolder(), "deep/.varve");
  await failureWithHint(openTestStore(home, { create: false }), "NOT_FOUND");
  await failureWithHint(openTestStore(home, { readOnly: true }), "NOT_FOUND");
  assert.not(existsSync(home));
  const store = await openTestStore(home);
  assert.is(store.home, home);
  assert.match(store.id, /^[0-9a-f]{32}$/);
  assert.is(statSync(home).mode & 0o777, 0o700);
  await store.save("a", 1);
  for (const file of filesUnder(home)) assert.is(statSync(file).mode & 0o777, 0o600, file);
  await store.close();
  const again = await openTestStore(home, { create: false });
  assert.is(again.id, store.id);
});

test("an empty folder is no store yet", async () => {
  const home = newFolder();
  await failureWithHint(openTestStore(home, { create: false }), "NOT_FOUND");
  await failureWithHint(openTestStore(home, { readOnly: true }), "NOT_FOUND");
  await openTestStore(home);
});

test("a home that is a file is INVALID_ARGUMENT", async () => {
  const file = join(newFolder(), "file");
  writeFileSync(file, "");
  await failureWithHint(openTestStore(file), "INVALID_ARGUMENT");
});

test("everything is CLOSED after close, which may be called again", async () => {
  const store = await newStore();
  const artifact = await store.save("a", 1);
  const running = store.save("b", 2);
  await Promise.all([store.close(), store.close()]);
  assert.is((await running).ref, "b:0");
  await store.close();
  const calls = [
    store.save("a", 1),
    store.saveFile("a", "x"),
    store.load("a"),
    store.get("a"),
    store.find("a"),
    store.has("a"),
    store.aliases("a"),
    store.delete("a:0"),
    store.undelete("a:0"),
    store.setAlias("a", "x", 0),
    store.deleteAlias("a", "x"),
    store.annotate("a", {}),
    store.batch(() => {}),
    store.stats(),
    store.verify(),
    store.rebuildIndex(),
    store.repair(),
    store.prune({ keepLast: 1 }),
    store.compact(),
    store.backup(newFolder()),
    artifact.value(),
    artifact.bytes(),
  ];
  for (const call of calls) await failureWithHint(call, "CLOSED");
  await failureWithHint(async () => {
    for await (const _ of store.list());
  }, "CLOSED");
  await failureWithHint(async () => {
    for await (const _ of store.versions("a"));
  }, "CLOSED");
});

test("a call given an aborted signal does nothing", async () => {
  const store = await newStore();
  await store.save("a", 1);
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  const calls = [
    store.save("a", 2, { signal }),
    store.load("a", { signal }),
    store.get("a", { signal }),
    store.find("a", { signal }),
    store.has("a", { signal }),
    store.aliases("a", { signal }),
    store.delete("a:0", { signal }),
    store.setAlias("a", "x", 0, { signal }),
    store.annotate("a", { tags: { a: "b" }, signal }),
    store.batch((batch) => void batch.save("a", 3), { signal }),
    store.stats({ signal }),
    store.verify({ signal }),
    store.rebuildIndex({ signal }),
  ];
  for (const call of calls) assert.is((await failure(call, "ABORTED")).cause, reason);
  await failure(async () => {
    for await (const _ of store.list({ signal }));
  }, "ABORTED");
  assert.is((await store.stats()).sequence, 1);
});

test("a listing can be aborted on the way", async () => {
  const store = await newStore();
  for (const name of ["a", "b", "c"]) await store.save(name, 1);
  const controller = new AbortController();
  let seen = 0;
  await failure(async () => {
    for await (const _ of store.list({ signal: controller.signal })) if (++seen === 2) controller.abort();
  }, "ABORTED");
  assert.is(seen, 2);
});

test("the same home opened twice, also through a link, is one store, and closing one leaves the other", async () => {
  const home = newFolder();
  const link = join(newFolder(), "link");
  symlinkSync(home, link);
  const first = await openTestStore(home);
  const second = await openTestStore(link);
  const [a, b] = await Promise.all([first.save("x", 1), second.save("x", 2)]);
  assert.equal([a.version, b.version].sort(), [0, 1]);
  assert.is(await first.load("x:1"), await second.load("x:1"));
  await first.close();
  await failureWithHint(first.load("x"), "CLOSED");
  assert.is((await second.save("x", 3)).version, 2);
  assert.is(await second.load("x"), 3);
  await second.close();
  assert.is(await (await openTestStore(home)).load("x"), 3);
});

test("a store opened while it is being closed works, again and again", async () => {
  const home = newFolder();
  let store = await openTestStore(home);
  for (let i = 0; i < 15; i++) {
    const saving = store.save("x", i);
    const closing = store.close();
    store = await openTestStore(home);
    const saved = await store.save("x", i);
    assert.is(saved.version, 2 * i + 1);
    await Promise.all([saving, closing]);
  }
  const many = await Promise.all(Array.from({ length: 10 }, () => openTestStore(home)));
  await Promise.all(many.map((each) => each.save("y", 1)));
  await Promise.all(many.map((each) => each.close()));
  assert.is((await store.get("y")).version, 9);
});

test("a read-only handle beside a writing one in the same process sees its saves and survives its closing", async () => {
  const home = newFolder();
  const writer = await openTestStore(home);
  await writer.save("x", 1);
  const reader = await openTestStore(home, { readOnly: true });
  assert.is(await reader.load("x"), 1);
  await writer.save("x", 2);
  assert.is(await reader.load("x"), 2);
  await writer.close();
  assert.is(await reader.load("x"), 2);
  const again = await openTestStore(home);
  await again.save("x", 3);
  assert.is(await reader.load("x"), 3);
  await reader.close();
  await again.save("x", 4);
  assert.is(await again.load("x"), 4);
});

test("a key-value engine does not open as a store, nor a store as an engine, open or not", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  await store.save("a", 1);
  await failureWithHint(openEngine(home), "INVALID_ARGUMENT");
  assert.is(await store.load("a"), 1);
  await store.close();
  await failureWithHint(openEngine(home), "INVALID_ARGUMENT");
  await failureWithHint(openEngine(home, { readOnly: true }), "INVALID_ARGUMENT");
  const folder = newFolder();
  const engine = track(await openEngine(folder));
  await engine.put("k", 1);
  await failureWithHint(openTestStore(folder), "INVALID_ARGUMENT");
  assert.is(await engine.get("k"), 1);
  await engine.close();
  await failureWithHint(openTestStore(folder), "INVALID_ARGUMENT");
});

test("config.json of the home is read, options win over it, and mistakes in it are CONFIG", async () => {
  const home = newFolder();
  const configure = (text: string) => writeFileSync(join(home, "config.json"), text);
  await (await openTestStore(home)).close();
  for (const text of ["{", "[]", '{"durabilty": "durable"}', '{"durability": "fast"}', '{"max_size": -1}']) {
    configure(text);
    assert.match((await failure(openTestStore(home), "CONFIG")).message, "config.json");
  }
  configure('{"database_url": "postgresql://localhost/x"}');
  await failureWithHint(openTestStore(home), "NOT_SUPPORTED");
  configure(`{"min_free_space": ${2 ** 52}}`);
  const full = await openTestStore(home);
  await failureWithHint(full.save("a", 1), "NO_SPACE");
  await full.close();
  const store = await openTestStore(home, { minFreeSpace: 0 });
  await store.save("a", 1);
  await store.close();
});

test("wrong options are INVALID_ARGUMENT", async () => {
  const home = newFolder();
  const wrong: object[] = [
    { durability: "fast" },
    { minFreeSpace: -1 },
    { lockWaitMax: "5" },
    { codecs: [{}] },
  ];
  for (const options of wrong)
    await failureWithHint(openTestStore(home, options as StoreOptions), "INVALID_ARGUMENT");
});

test("nothing of a closed store is kept in memory, however many there were", async () => {
  const before = new Set(allDbs.values());
  const added = () => [...allDbs.values()].filter((database) => !before.has(database)).length;
  for (let i = 0; i < 3; i++) {
    const store = await newStore();
    await store.save("a", i);
    assert.ok(added() > 0);
    await store.close();
  }
  assert.is(added(), 0);
});

test("a folder with other things in it is left as it is", async () => {
  const home = newFolder();
  mkdirSync(join(home, "log"));
  writeFileSync(join(home, "log", "notes.txt"), "mine");
  writeFileSync(join(home, "mine.txt"), "mine");
  const store = await openTestStore(home);
  await store.save("a", 1);
  assert.ok((await store.verify()).ok);
  await store.rebuildIndex();
  assert.ok(existsSync(join(home, "log", "notes.txt")) && existsSync(join(home, "mine.txt")));
});

test("verify and rebuild leave a sound store as it is, and tell of their progress", async () => {
  const store = await newStore();
  for (let i = 0; i < 50; i++) await store.save(`n${i % 7}`, { i });
  await store.setAlias("n0", "x", 0);
  await store.delete("n1:0");
  const progress: number[] = [];
  const report = await store.verify({ full: true, onProgress: ({ done }) => progress.push(done) });
  assert.equal(report.problems, []);
  assert.is(report.ok, true);
  assert.is(report.batches, 52);
  assert.is(report.blobs, 50);
  const before = await store.stats();
  await store.rebuildIndex();
  assert.equal({ ...(await store.stats()), indexBytes: 0 }, { ...before, indexBytes: 0 });
  assert.is(await store.has("n1:0"), false);
  assert.equal(await store.aliases("n0"), { x: 0 });
});

test.run();

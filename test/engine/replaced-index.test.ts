import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Directory } from "../../engine/api.ts";
import { encodeKey } from "../../engine/key.ts";
import { openEngine } from "../../engine/key-value.ts";
import { RecordKind } from "../../engine/log/format.ts";
import { damageText, segmentsOf } from "../helpers/damage.ts";
import { gate, WatchedFiles } from "../helpers/files.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { type OpenIndex, openLiveIndex } from "../helpers/live-indexes.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { closeAll, openSeamStore, openTestStore, track } from "../helpers/stores.ts";

/** Another user of the home made the index anew since this one looked: that is no damage. */
const test = suite("an index that another made anew");
test.after.each(killPrograms);
test.after.each(closeAll);

/** Bytes of a value that is kept in parts. */
const PARTS = 2 * 1024 * 1024;

const makeAnew = ({ lock, live }: OpenIndex) => lock.hold(() => live.rebuild());

/** How many there are; `meanwhile` is done behind the first. */
async function all(entries: AsyncIterable<unknown>, meanwhile?: () => Promise<void>): Promise<number> {
  let count = 0;
  for await (const _ of entries) {
    count++;
    if (count === 1) await meanwhile?.();
  }
  return count;
}

/** Another process that makes the index anew. */
async function rebuilderOf(home: string): Promise<() => Promise<void>> {
  const program = new Program("../processes/rebuilder.ts", [home]);
  await program.expect();
  return () => program.ask("rebuild");
}

test("every call of an engine goes over to it, whichever is the first", async () => {
  const folder = newFolder();
  const engine = track(await openEngine(folder));
  for (let i = 0; i < 9; i++) await engine.put(i, i);
  const other = await openLiveIndex(folder, { application: "keyvalue" });
  const calls: Record<string, () => unknown> = {
    verify: async () => assert.ok((await engine.verify()).ok),
    "a dry repair": async () => assert.ok((await engine.repair({ dryRun: true })).ok),
    repair: async () => assert.ok((await engine.repair()).ok),
    snapshot: async () => {
      const snapshot = engine.snapshot();
      assert.is(await snapshot.get(3), 3);
      await snapshot.close();
    },
    stats: async () => assert.is((await engine.stats()).keys, 9),
    get: async () => assert.is(await engine.get(3), 3),
    range: async () => assert.is(await all(engine.range()), 9),
    put: () => engine.put(3, 3),
  };
  for (const [name, call] of Object.entries(calls)) {
    await makeAnew(other);
    // Nothing was read since, so this call is the first that meets it.
    await Promise.resolve(call()).catch((error) => assert.unreachable(`${name}: ${error}`));
  }
});

test("it is what a verification looks at", async () => {
  const folder = newFolder();
  const engine = track(await openEngine(folder));
  for (let i = 0; i < 9; i++) await engine.put(i, i);
  const other = await openLiveIndex(folder, { application: "keyvalue" });
  await makeAnew(other);
  const { catalog } = other.live;
  const key = encodeKey(3);
  const { place } = catalog.row(key)!;
  const change = {
    kind: RecordKind.delete,
    key,
    tag: 0,
    weak: false,
    references: [],
    place,
    content: undefined,
  };
  catalog.transact(() => catalog.apply(change, 0, 0));
  const { problems } = await engine.verify();
  assert.match(problems[0]!.message, "the index lacks what operation 4 put");
});

test("every call of a store goes over to it, whichever is the first, read-only or not", async () => {
  const home = newFolder();
  const writer = await openTestStore(home);
  for (let i = 0; i < 9; i++) await writer.save(`n${i}`, i);
  const folder = newFolder();
  writeFileSync(join(folder, "file"), "content");
  const saveInParts = () => writer.save("parts", Buffer.alloc(PARTS, 1));
  const saveDirectory = () => writer.saveDirectory("folder", folder);
  await saveInParts();
  await saveDirectory();
  const reader = await openTestStore(home, { readOnly: true });
  const other = await openLiveIndex(home);
  for (const store of [writer, reader]) {
    const calls: Record<string, () => Promise<unknown>> = {
      verify: async () => assert.ok((await store.verify()).ok),
      list: async () => assert.ok((await all(store.list())) >= 9),
      stats: async () => assert.ok((await store.stats()).versions >= 9),
      load: async () => assert.is(await store.load("n3"), 3),
      value: async () => assert.is(await (await store.get("n4")).value(), 4),
      has: async () => assert.ok(await store.has("n3")),
      versions: async () => assert.ok((await all(store.versions("n3"))) >= 1),
      aliases: async () => assert.equal(await store.aliases("n4"), {}),
      lineage: async () => assert.is((await store.lineage("n4")).nodes.length, 1),
      "bytes in parts": async () => assert.is((await (await store.get("parts")).bytes()).length, PARTS),
      "a directory": async () => assert.is(await all((await store.load<Directory>("folder")).list()), 1),
      ...(!store.readOnly && {
        "a dry repair": async () => assert.ok((await store.repair({ dryRun: true })).ok),
        repair: async () => assert.ok((await store.repair()).ok),
        rebuildIndex: () => store.rebuildIndex(),
        save: () => store.save("n3", 3),
        "save in parts": saveInParts,
        "save a directory": saveDirectory,
        compact: () => store.compact(),
        "plan to forget": () => store.compact({ historyBefore: 3, dryRun: true }),
        forget: () => store.compact({ historyBefore: 3 }),
        "forget by time": () => store.compact({ historyBefore: new Date(0) }),
        "set an alias": () => store.setAlias("n3", "x", 0),
        "delete an alias": () => store.deleteAlias("n3", "x"),
        annotate: () => store.annotate("n3", { tags: { a: "b" } }),
        delete: () => store.delete("n5:0"),
        undelete: () => store.undelete("n5:0"),
        purge: () => store.delete("n5:0", { purge: true }),
        batch: () => store.batch((batch) => void batch.save("n6", 6)),
        "plan a prune": () => store.prune({ name: "n7", keepLast: 1 }, { dryRun: true }),
        prune: () => store.prune({ name: "n7", keepLast: 1 }),
        backup: () => store.backup(newFolder()),
      }),
    };
    for (const [name, call] of Object.entries(calls)) {
      await makeAnew(other);
      await call().catch((error) => assert.unreachable(`${name}: ${error}`));
    }
  }
});

test("history is forgotten in it when it is made while the log is read for a time", async () => {
  const home = newFolder();
  const files = new WatchedFiles();
  const store = await openSeamStore(home, { files });
  for (let i = 0; i < 9; i++) await store.save("n", i);
  await store.delete("n:3");
  const other = await openLiveIndex(home);
  const list = files.list.bind(files);
  let made = 0;
  files.list = (folder) => {
    files.list = list;
    other.lock.holdSync(() => other.live.rebuild());
    made++;
    return list(folder);
  };
  const compacting = store.compact({ historyBefore: new Date() });
  await compacting.catch((error) => assert.unreachable(String(error)));
  assert.is(made, 1);
  assert.is(await store.load("n"), 8);
  await store.undelete("n:3").then(
    () => assert.unreachable("it was to be forgotten"),
    (error) => assert.is(error.code, "NOT_FOUND"),
  );
});

test("a repair goes on in it when it is made in the middle", async () => {
  const home = newFolder();
  const files = new WatchedFiles();
  const store = await openSeamStore(home, { files });
  for (let i = 0; i < 9; i++) await store.save(`n${i}`, `value ${i}`);
  const backup = copyHome(home);
  const other = await openLiveIndex(home);
  const remove = files.remove.bind(files);
  let made = 0;
  // What is left of the new files is removed last, before the store is verified once more.
  files.remove = (path) => {
    remove(path);
    other.lock.holdSync(() => other.live.rebuild());
    made++;
  };
  damageText(segmentsOf(home)[0]!, "value 3");
  const report = await store.repair({ from: backup });
  assert.equal([report.ok, made], [true, 1]);
  assert.is(await store.load("n3"), "value 3");
});

test("a snapshot that was taken before stays what it was", async () => {
  const folder = newFolder();
  const engine = track(await openEngine(folder));
  for (let i = 0; i < 9; i++) await engine.put(i, "old");
  const other = await openLiveIndex(folder, { application: "keyvalue" });
  const snapshot = engine.snapshot();
  await makeAnew(other);
  await engine.put(3, "new");
  assert.is(await snapshot.get(3), "old");
  assert.is(await engine.get(3), "new");
  await snapshot.close();
});

test("so does a listing of what is not on the disk yet", async () => {
  const home = newFolder();
  const files = new WatchedFiles();
  const held = gate();
  const writer = await openSeamStore(home, { files }, "buffered");
  await writer.save("first", 0);
  files.onSync = () => held.opened;
  for (let i = 0; i < 100; i++) await writer.save(`n${i}`, i);
  const rebuild = await rebuilderOf(home);
  const reader = await openTestStore(home, { readOnly: true });
  assert.is(await all(reader.list(), rebuild), 101);
  held.open();
});

test("a reader goes on while another process is stopped with the lock, without the index in use", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  for (let i = 0; i < 30; i++) await store.save(`n${i}`, i);
  const reader = await openTestStore(home, { readOnly: true, lockWaitMax: 200 });
  assert.is(await reader.load("n1"), 1);
  await (await rebuilderOf(home))();
  const holder = new Program("../processes/lock-holder.ts", [home]);
  await holder.expect();
  holder.process.kill("SIGSTOP");
  assert.is(await reader.load("n2"), 2);
  assert.is(await all(reader.list()), 30);
  holder.process.kill("SIGCONT");
  holder.tell("go");
  await holder.end();
  await store.save("n2", "later");
  assert.is(await reader.load("n2"), "later", "and it sees what comes after");
});

test.run();

import { rmSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Logger } from "../../engine/api.ts";
import type { FileSystem, LogFile } from "../../engine/log/file.ts";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { newFolder } from "../helpers/folders.ts";
import { newestIndex } from "../helpers/indexes.ts";
import { killPrograms } from "../helpers/processes.ts";
import { closeAll, closeStores, openSeamStore } from "../helpers/stores.ts";
import {
  acknowledged,
  ask,
  COUNT,
  checkLoads,
  checkNext,
  compactor,
  fill,
  filledHome,
  LONG,
  name,
  OFTEN,
  reader,
  refs,
  SEGMENT_BYTES,
  SHORT,
  value,
} from "./leases-support.ts";

/** Files that records were moved from stay until nobody can still read in them, and go then. */
const test = suite("files that were replaced are kept for readers");
test.after.each(killPrograms);
test.after.each(closeAll);

for (const [who, options, thread] of [
  ["a process", {}, false],
  ["a worker thread", {}, true],
  ["a process that only reads", { readOnly: true }, false],
] as const) {
  test(`${who} that does nothing goes along; while it lists, the files stay`, async () => {
    const home = await filledHome();
    const idle = await reader(home, options, thread);
    await checkLoads(idle);
    const moving = await compactor(home);
    await moving.ask("compact");
    assert.ok(await acknowledged(moving, LONG));
    assert.ok((await moving.ask("retire")) > 1);
    await checkLoads(idle);
    await checkNext(idle, "list n*", 0);
    await moving.ask("compact");
    assert.not(await acknowledged(moving, SHORT));
    await checkNext(idle, "next", 1);
    await ask(idle, "leave");
    assert.ok(await acknowledged(moving, LONG));
    await moving.ask("retire");
    await ask(idle, "list n*");
    assert.equal(await ask(idle, "rest"), refs(1));
  });
}

test("a store that a process has open several times goes along as a whole, by every handle", async () => {
  const home = newFolder();
  const [first, second] = [await fill(home), await openSeamStore(home, { times: OFTEN })];
  const readOnly = await openSeamStore(home, { readOnly: true, times: OFTEN });
  const stores = [first, second, readOnly];
  const moving = await compactor(home);
  for (const listing of stores) {
    const list = listing.list({ name: "n*" })[Symbol.asyncIterator]();
    await list.next();
    await moving.ask("compact");
    assert.not(await acknowledged(moving, SHORT));
    await list.return?.();
    assert.ok(await acknowledged(moving, LONG));
    await moving.ask("retire");
  }
  for (const store of stores)
    for (let i = 0; i < COUNT; i++) assert.is(await store.load(name(i)), value(i), name(i));
});

test("a process that lists is not waited for any more once it is closed, or killed", async () => {
  const home = await filledHome();
  const moving = await compactor(home);
  const [killed, closed] = [await reader(home), await reader(home, { readOnly: true })];
  for (const listing of [killed, closed]) await ask(listing, "list n*");
  await moving.ask("compact");
  assert.not(await acknowledged(moving, SHORT));
  await killed.kill();
  assert.not(await acknowledged(moving, SHORT));
  await ask(closed, "leave");
  await ask(closed, "close");
  assert.ok(await acknowledged(moving, LONG));
});

test("a store that is read with an index of its own begins anew when files have gone, its last one included", async () => {
  const home = await filledHome();
  rmSync(join(newestIndex(home), "trust.json"));
  const warnings: string[] = [];
  const logger = { warn: (message: string) => void warnings.push(message) } as unknown as Logger;
  const store = await openSeamStore(home, { readOnly: true, logger });
  assert.is(await store.load(name(1)), value(1));
  const moving = await compactor(home);
  for (const round of ["some", "the one that it had come to"]) {
    const writer = await openSeamStore(home, { segmentBytesMax: SEGMENT_BYTES, times: OFTEN }, "buffered");
    for (let i = 0; i < (round === "some" ? 1 : COUNT); i++) await writer.save("new", value(i));
    await moving.ask("compact");
    assert.ok(await acknowledged(moving, LONG), "it is not waited for");
    await moving.ask("retire");
    for (let i = 0; i < COUNT; i++) assert.is(await store.load(name(i)), value(i), name(i));
    assert.is(await store.load("new"), await writer.load("new"));
    await writer.close();
  }
  assert.equal(warnings, []);
});

test("an index that names files from before they were replaced is made anew by who meets it", async () => {
  const home = newFolder();
  const store = await fill(home);
  const before = newestIndex(home);
  const moving = await compactor(home);
  for (const meet of ["get", "load"] as const) {
    await moving.ask("compact unmoved");
    await moving.ask("retire");
    assert.ok(await store[meet](name(1)));
    for (let i = 0; i < COUNT; i++) assert.is(await store.load(name(i)), value(i), name(i));
  }
  assert.is.not(newestIndex(home), before);
});

test("a reader that goes on with an index of its own is not waited for", async () => {
  const home = await filledHome();
  const store = await openSeamStore(home, { readOnly: true, times: OFTEN });
  const moving = await compactor(home);
  await moving.ask("compact unmoved");
  await moving.ask("retire");
  for (let i = 0; i < COUNT; i++) assert.is(await store.load(name(i)), value(i), name(i));
  const list = store.list({ name: "n*" })[Symbol.asyncIterator]();
  await list.next();
  await (await openSeamStore(home, { times: OFTEN })).rebuildIndex();
  await moving.ask("compact");
  assert.ok(await acknowledged(moving, LONG));
  await moving.ask("retire");
  for (let i = 0; i < COUNT; i++) assert.is(await store.load(name(i)), value(i), name(i));
});

/** A file system on which the first large read waits until it is told to go on. */
function holdingReads(): { files: FileSystem; reached: Promise<void>; goOn: () => void } {
  let [goOn, reach] = [() => {}, () => {}];
  const held = new Promise<void>((resolve) => (goOn = resolve));
  const reached = new Promise<void>((resolve) => (reach = resolve));
  const open: FileSystem["open"] = (path, mode) => {
    const file = nodeFileSystem.open(path, mode);
    const readAsync: LogFile["readAsync"] = async (into, position) => {
      reach();
      await held;
      return file.readAsync(into, position);
    };
    return new Proxy(file, {
      get: (target, key) => {
        if (key === "readAsync") return readAsync;
        const found = Reflect.get(target, key);
        return typeof found === "function" ? found.bind(target) : found;
      },
    });
  };
  return { files: { ...nodeFileSystem, open }, reached, goOn };
}

test("a large value that is being read is not waited for, and comes from the file that is gone", async () => {
  const home = newFolder();
  const store = await fill(home);
  await store.save("large", Buffer.alloc(200_000, 7));
  for (let i = 0; i < COUNT; i++) await store.save(`behind${i}`, value(i));
  await closeStores();
  const { files, reached, goOn } = holdingReads();
  const reading = await openSeamStore(home, { files, times: OFTEN });
  const loading = reading.load<Uint8Array>("large");
  await reached;
  const moving = await compactor(home);
  await moving.ask("compact");
  assert.ok(await acknowledged(moving, LONG));
  await moving.ask("retire");
  goOn();
  assert.is(
    (await loading).every((byte) => byte === 7),
    true,
  );
  assert.is((await reading.load<Uint8Array>("large")).length, 200_000);
});

test.run();

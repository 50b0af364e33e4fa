import { statSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import { Catalog } from "../../engine/index/catalog.ts";
import { filledPart } from "../../engine/index/filled-part.ts";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { listGenerations } from "../../engine/maintenance/home.ts";
import { LiveIndex } from "../../engine/maintenance/live-index.ts";
import { gate, WatchedFiles } from "../helpers/files.ts";
import { newestIndex } from "../helpers/indexes.ts";
import { closeAll, openSeamStore } from "../helpers/stores.ts";
import { until } from "../helpers/time.ts";
import {
  ARTIFACTS,
  check,
  fill,
  filledHome,
  leaveAlone,
  openToPack,
  PACKING,
  whilePacking,
} from "./idle-packing-support.ts";

const test = suite("an index that is packed by itself");
const { pack } = LiveIndex.prototype;
test.after.each(leaveAlone);
test.after.each(closeAll);

const SAVED_MEANWHILE = 600;

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const fileBytes = (home: string) => statSync(join(newestIndex(home), "data.mdb")).size;
const isPacked = (home: string, old: readonly number[]) => {
  const now = listGenerations(home);
  return now.length === 1 && now[0] !== old[0];
};

/** Counts how often it is begun. */
function countPackings(): { count: number } {
  const begun = { count: 0 };
  LiveIndex.prototype.pack = function (options) {
    begun.count++;
    return pack.call(this, options);
  };
  return begun;
}

test("once nobody writes its pages are full, and again when it has grown by half", async () => {
  const home = await filledHome();
  const begun = countPackings();
  const old = listGenerations(home);
  const before = fileBytes(home);
  const store = await openToPack(home);
  await until("a packed index", () => isPacked(home, old));
  assert.ok(fileBytes(home) < before * 0.7, `${fileBytes(home)} of ${before}`);
  await check(store);
  const packed = listGenerations(home);
  await store.save("last", 2);
  await pause(6 * PACKING.look);
  assert.is(begun.count, 1);
  await store.close();
  await fill(home, ARTIFACTS / 4, ARTIFACTS);
  // Another one knows when it was packed.
  const later = await openToPack(home);
  await pause(6 * PACKING.look);
  assert.is(begun.count, 1);
  assert.equal(listGenerations(home), packed);
  await later.close();
  await fill(home, ARTIFACTS / 2, ARTIFACTS * 1.25);
  const last = await openToPack(home);
  await until("an index packed again", () => isPacked(home, packed));
  await check(last, ARTIFACTS * 1.75);
  await last.close();
  await check(await openSeamStore(home), ARTIFACTS * 1.75);
});

test("it is not begun by who only reads", async () => {
  const home = await filledHome();
  const begun = countPackings();
  const reader = await openSeamStore(home, { packing: PACKING }, "buffered");
  for (let i = 0; i < ARTIFACTS; i += 100) await reader.load(`n${i % 3}:${Math.floor(i / 3)}`);
  await pause(6 * PACKING.look);
  assert.is(begun.count, 0);
  await reader.save("more", 1);
  await until("a beginning", () => begun.count > 0);
});

test("it is not begun while what was written waits for the disk", async () => {
  const home = await filledHome();
  const begun = countPackings();
  const files = new WatchedFiles();
  const store = await openSeamStore(home, { files, packing: PACKING });
  const disk = gate();
  files.onSync = () => disk.opened;
  const saving = store.save("more", 1);
  await pause(6 * PACKING.look);
  assert.is(begun.count, 0);
  disk.open();
  await saving;
  await until("a beginning", () => begun.count > 0);
});

test("what others write meanwhile is in it, or it gives way to them and is begun again", async () => {
  const home = await filledHome();
  const old = listGenerations(home);
  const saving: Promise<void>[] = [];
  whilePacking(() => saving.push(saveSome(store)));
  const store = await openToPack(home);
  await until("a packing", () => saving.length > 0);
  await saving[0];
  await until("a packed index", () => isPacked(home, old));
  await check(store);
  for (let i = 0; i < SAVED_MEANWHILE; i++)
    assert.equal(await store.load(`meanwhile:${i}`), { meanwhile: i });
});

/** Too many to catch up with, but the loop is left to others. */
async function saveSome(store: ArtifactStore): Promise<void> {
  for (let i = 0; i < SAVED_MEANWHILE; i++) {
    await store.save("meanwhile", { meanwhile: i });
    if (i % 20 === 0) await pause(1);
  }
}

test("it is not begun where the disk has no room for it beside what is kept free", async () => {
  const home = await filledHome();
  const mebibyte = 1024 * 1024;
  // As much as its pages take is there beside that, twice as much is not.
  let freeBytes = 99.5 * mebibyte;
  const files = Object.assign(Object.create(nodeFileSystem), { freeBytes: () => freeBytes });
  const begun = countPackings();
  const old = listGenerations(home);
  const store = await openToPack(home, { files, minFreeSpace: 99 * mebibyte });
  await until("a look", () => begun.count > 0);
  await pause(4 * PACKING.look);
  assert.equal(listGenerations(home), old);
  freeBytes = 200 * mebibyte;
  await store.save("more", 1);
  await until("a packed index", () => isPacked(home, old));
});

test("a small one is left as it is", async () => {
  const home = await filledHome();
  const begun = countPackings();
  await openToPack(home, { packing: { ...PACKING, bytesMin: 2 ** 30 } });
  await pause(6 * PACKING.look);
  assert.is(begun.count, 0);
});

test("how full pages are is guessed of the index, and of one that was removed that they are full", async () => {
  const home = await filledHome();
  const store = await openSeamStore(home);
  const folder = newestIndex(home);
  const catalog = new Catalog(folder);
  const size = catalog.size();
  await catalog.release();
  const part = filledPart(folder, size);
  assert.ok(part > 0.4 && part < 0.8, `${part} as saved`);
  await store.compact();
  assert.ok(filledPart(newestIndex(home), size) > 0.9, "packed");
  assert.is(filledPart(folder, size), 1);
});

test("a failure is told once, and forgotten until something was written", async () => {
  const home = await filledHome();
  const told: unknown[] = [];
  const warn = (message: string, facts?: object) => void told.push([message, facts]);
  LiveIndex.prototype.pack = async () => {
    throw new Error("broken");
  };
  const old = listGenerations(home);
  const store = await openToPack(home, { logger: { debug() {}, info() {}, warn, error: warn } });
  await until("a word of it", () => told.length > 0);
  await pause(6 * PACKING.look);
  assert.equal(told, [["the index could not be packed", { error: "Error: broken" }]]);
  LiveIndex.prototype.pack = pack;
  await store.save("more", 1);
  await until("a packed index", () => isPacked(home, old));
  await check(store);
});

test.run();

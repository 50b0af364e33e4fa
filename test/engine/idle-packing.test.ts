import { statSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import { Catalog } from "../../engine/index/catalog.ts";
import { filledPart } from "../../engine/index/filled-part.ts";
import { LockEnvironment } from "../../engine/index/lock.ts";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { listGenerations } from "../../engine/maintenance/home.ts";
import { LiveIndex } from "../../engine/maintenance/live-index.ts";
import type { OpenOptions } from "../../engine/open.ts";
import { failure } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { newestIndex } from "../helpers/indexes.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { closeAll, openSeamStore } from "../helpers/stores.ts";
import { until } from "../helpers/time.ts";

const test = suite("an index that is packed by itself");
const { append } = Catalog.prototype;
const { pack } = LiveIndex.prototype;
const { takeCompactor } = LockEnvironment.prototype;
test.after.each(() => {
  Catalog.prototype.append = append;
  LiveIndex.prototype.pack = pack;
  LockEnvironment.prototype.takeCompactor = takeCompactor;
});
test.after.each(closeAll);
test.after.each(killPrograms);

/** Enough that its pages are worth packing. */
const ARTIFACTS = 3_000;
const PACKING = { look: 20, bytesMin: 256 * 1024, growth: 1.5 };

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const fileBytes = (home: string) => statSync(join(newestIndex(home), "data.mdb")).size;

function open(home: string, options: Partial<OpenOptions> = {}): Promise<ArtifactStore> {
  return openSeamStore(home, { packing: PACKING, ...options }, "buffered");
}

/** In few batches; rows of the index come in any order all the same. */
async function fill(store: ArtifactStore, count = ARTIFACTS, from = 0): Promise<void> {
  for (let first = from; first < from + count; first += 500)
    await store.batch((batch) => {
      for (let i = first; i < Math.min(first + 500, from + count); i++) batch.save(`n${i % 3}`, { i });
    });
}

async function check(store: ArtifactStore, count = ARTIFACTS): Promise<void> {
  for (let i = 0; i < count; i += 7) assert.equal(await store.load(`n${i % 3}:${Math.floor(i / 3)}`), { i });
  assert.equal((await store.verify({ full: true })).problems, []);
}

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

/** Runs `during` once rows are put into a packed index. */
function whilePacking(during: () => void): void {
  Catalog.prototype.append = function (key, value) {
    Catalog.prototype.append = append;
    during();
    return append.call(this, key, value);
  };
}

test("once nobody writes its pages are full, and again when it has grown by half", async () => {
  const home = newFolder();
  const begun = countPackings();
  const store = await open(home);
  await fill(store);
  const old = listGenerations(home);
  const before = fileBytes(home);
  await until("a packed index", () => isPacked(home, old));
  assert.ok(fileBytes(home) < before * 0.7, `${fileBytes(home)} of ${before}`);
  await check(store);
  const packed = listGenerations(home);
  await fill(store, ARTIFACTS / 4, ARTIFACTS);
  await pause(6 * PACKING.look);
  assert.is(begun.count, 1);
  assert.equal(listGenerations(home), packed);
  await fill(store, ARTIFACTS / 2, ARTIFACTS * 1.25);
  await until("an index packed again", () => isPacked(home, packed));
  await check(store, ARTIFACTS * 1.75);
  await store.close();
  await check(await open(home), ARTIFACTS * 1.75);
});

test("another process that opens it later knows when it was packed", async () => {
  const home = newFolder();
  const store = await open(home);
  await fill(store);
  const old = listGenerations(home);
  await until("a packed index", () => isPacked(home, old));
  await store.close();
  const begun = countPackings();
  const later = await open(home);
  await fill(later, ARTIFACTS / 4, ARTIFACTS);
  await pause(6 * PACKING.look);
  assert.is(begun.count, 0);
});

test("it is not begun by who only reads", async () => {
  const home = newFolder();
  const store = await open(home, { packing: { ...PACKING, look: 60_000 } });
  await fill(store);
  await store.close();
  const begun = countPackings();
  const reader = await open(home);
  for (let i = 0; i < ARTIFACTS; i += 100) await reader.load(`n${i % 3}:${Math.floor(i / 3)}`);
  await pause(6 * PACKING.look);
  assert.is(begun.count, 0);
  await reader.save("more", 1);
  await until("a beginning", () => begun.count > 0);
});

test("writers that come back end it, and when they are done it is begun again", async () => {
  const home = newFolder();
  const store = await open(home);
  await fill(store);
  const [old] = listGenerations(home);
  const saving: Promise<void>[] = [];
  let isOver = false;
  whilePacking(() => saving.push(saveUntil(store, () => isOver)));
  await until("a packing", () => saving.length > 0);
  const made = listGenerations(home).find((generation) => generation !== old)!;
  await until("its end", () => !listGenerations(home).includes(made));
  assert.ok(listGenerations(home).includes(old!));
  isOver = true;
  await saving[0];
  await until("a packed index", () => isPacked(home, [old!]));
  await check(store);
});

/** More than can be caught up with on the way, but the loop is left to others. */
async function saveUntil(store: ArtifactStore, isOver: () => boolean): Promise<void> {
  for (let i = 0; !isOver(); i++) {
    for (let k = 0; k < 100; k++) await store.save("more", { i, k });
    await pause(1);
  }
}

test("who compacts ends it, here", async () => {
  const home = newFolder();
  const store = await open(home);
  await fill(store);
  let compacted: Promise<unknown> | undefined;
  let isPacking = false;
  LiveIndex.prototype.pack = function (options) {
    isPacking = true;
    return pack.call(this, options).finally(() => (isPacking = false));
  };
  const beside: boolean[] = [];
  LockEnvironment.prototype.takeCompactor = function (yields) {
    if (!yields) beside.push(isPacking);
    return takeCompactor.call(this, yields);
  };
  whilePacking(() => {
    compacted = store.compact();
  });
  await until("a packing", () => compacted !== undefined);
  await compacted;
  assert.equal(beside, [false]);
  assert.is(listGenerations(home).length, 1);
  await check(store);
});

test("who compacts ends it, in another process", async () => {
  const home = newFolder();
  const troubles: string[] = [];
  const warn = (message: string) => void troubles.push(message);
  const store = await open(home, { logger: { debug() {}, info() {}, warn, error: warn } });
  await fill(store);
  let other: Program | undefined;
  let isOver = false;
  // It has the lease, and goes on only behind the compaction.
  LiveIndex.prototype.pack = async ({ hold }) => {
    await hold(() => {});
    other = new Program("../engine/compact-program.ts", [home, ""]);
    await other.expect();
    await other.ended();
    await failure(
      hold(() => {}),
      "CONFLICT",
    );
    await hold(() => {}).finally(() => {
      isOver = true;
    });
  };
  await until("its end", () => isOver);
  await check(store);
  assert.equal(troubles, []);
});

test("closing ends it, and it leaves nothing", async () => {
  const home = newFolder();
  const store = await open(home);
  await fill(store);
  const before = listGenerations(home);
  let closed: Promise<void> | undefined;
  whilePacking(() => {
    closed = store.close();
  });
  await until("a packing", () => closed !== undefined);
  await closed;
  assert.equal(listGenerations(home), before);
  await check(await open(home));
});

test("a process whose own work is done ends, also in the middle of it", async () => {
  const home = newFolder();
  const program = new Program("../engine/idle-packing-program.ts", [home]);
  assert.equal(await program.expect(), { begun: true });
  assert.equal(await program.expect(), { ended: true, isPacked: false });
  await program.ended();
  await check(await open(home));
});

test("it is not begun where the disk has no room for it beside what is kept free", async () => {
  const home = newFolder();
  const mebibyte = 1024 * 1024;
  let freeBytes = 200 * mebibyte;
  const files = Object.assign(Object.create(nodeFileSystem), { freeBytes: () => freeBytes });
  const store = await open(home, { files, minFreeSpace: 99 * mebibyte });
  const begun = countPackings();
  await fill(store);
  // As much as its pages take is there beside that, twice as much is not.
  freeBytes = 99.6 * mebibyte;
  const old = listGenerations(home);
  await until("a look", () => begun.count > 0);
  await pause(4 * PACKING.look);
  assert.equal(listGenerations(home), old);
  freeBytes = 200 * mebibyte;
  await store.save("more", 1);
  await until("a packed index", () => isPacked(home, old));
});

test("a small one is left as it is", async () => {
  const home = newFolder();
  const store = await open(home, { packing: { ...PACKING, bytesMin: 2 ** 30 } });
  const begun = countPackings();
  await fill(store);
  await pause(6 * PACKING.look);
  assert.is(begun.count, 0);
});

test("how full pages are is guessed of the index, and of one that was removed that they are full", async () => {
  const home = newFolder();
  const store = await open(home, { packing: { ...PACKING, look: 60_000 } });
  await fill(store);
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
  const home = newFolder();
  const told: unknown[] = [];
  const warn = (message: string, facts?: object) => void told.push([message, facts]);
  const store = await open(home, { logger: { debug() {}, info() {}, warn, error: warn } });
  LiveIndex.prototype.pack = async () => {
    throw new Error("broken");
  };
  await fill(store);
  const old = listGenerations(home);
  await until("a word of it", () => told.length > 0);
  await pause(6 * PACKING.look);
  assert.equal(told, [["the index could not be packed", { error: "Error: broken" }]]);
  LiveIndex.prototype.pack = pack;
  await store.save("more", 1);
  await until("a packed index", () => isPacked(home, old));
  await check(store);
});

test.run();

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import { Catalog } from "../../engine/index/catalog.ts";
import { indexFolder, listGenerations } from "../../engine/maintenance/home.ts";
import { newFolder } from "../helpers/folders.ts";
import { newestIndex } from "../helpers/indexes.ts";
import { leaseHolder } from "../helpers/lock-homes.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { closeAll, closeStores, openSeamStore } from "../helpers/stores.ts";

/** What was put on the disk of an index holds for the files that its rows name, and no others. */
const test = suite("marks of an index, and files that were replaced");
test.after.each(killPrograms);
test.after.each(closeAll);
const { copyTo } = Catalog.prototype;
test.after.each(() => {
  Catalog.prototype.copyTo = copyTo;
});

const COUNT = 24;
const OPTIONS = { segmentBytesMax: 16 * 1024, checkpointBatchesMin: 1_000 };
const value = (i: number) => `${i} `.repeat(700);

async function save(store: ArtifactStore, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) await store.save(`n${i}`, value(i));
}

async function check(store: ArtifactStore, count = COUNT): Promise<void> {
  for (let i = 0; i < count; i++) assert.is(await store.load(`n${i}`), value(i));
}

async function filledHome(options: object = {}): Promise<string> {
  const home = newFolder();
  await save(await openSeamStore(home, { ...OPTIONS, ...options }, "buffered"), 0, COUNT);
  await closeStores();
  return home;
}

/** Puts rewritten segments in place of others. @param how whether the index goes along, and which: see there */
async function rewrite(home: string, how: string): Promise<void> {
  const program = new Program("../engine/lease-compactor.ts", [home, "{}"]);
  await program.expect();
  await program.ask(`compact ${how}`);
  assert.ok((await program.ask("retire")) > 0);
  await program.end();
}

const markOf = (folder: string) => JSON.parse(readFileSync(join(folder, "trust.json"), "utf8"));
const newest = (home: string) => Math.max(...listGenerations(home));

/** What a power cut leaves: nothing that was said within the boot, and an index in use that nobody trusts. */
function rebootUncleanly(home: string, used: number): void {
  rmSync(join(home, "lock"), { recursive: true });
  const path = join(indexFolder(home, used), "trust.json");
  const { clean: _, ...mark } = JSON.parse(readFileSync(path, "utf8"));
  writeFileSync(path, JSON.stringify({ ...mark, bootId: "another" }));
}

for (const reboot of [false, true]) {
  const when = reboot ? "after a reboot" : "in the same boot";
  test(`a clean index from before segments were replaced is not used ${when}`, async () => {
    const home = await filledHome();
    const before = newest(home);
    await rewrite(home, "unmoved");
    if (reboot) rmSync(join(home, "lock"), { recursive: true });
    const store = await openSeamStore(home, OPTIONS);
    assert.ok(newest(home) > before, "made anew before anything is read");
    await check(store);
    assert.ok((await store.verify({ full: true })).ok);
  });

  test(`a clean index that went along is used ${when}, and one whose last segment was replaced is not`, async () => {
    const home = await filledHome();
    await rewrite(home, "");
    await (await openSeamStore(home, OPTIONS)).close();
    const before = newest(home);
    assert.type(markOf(newestIndex(home)).clean.rewritten, "string");
    if (reboot) rmSync(join(home, "lock"), { recursive: true });
    const store = await openSeamStore(home, OPTIONS);
    assert.is(newest(home), before);
    await check(store);
    await save(store, COUNT, 2 * COUNT);
    await store.close();
    assert.is(newest(home), before);
    await rewrite(home, "unmoved");
    if (reboot) rmSync(join(home, "lock"), { recursive: true });
    await check(await openSeamStore(home, OPTIONS), 2 * COUNT);
    assert.ok(newest(home) > before);
  });
}

test("a reader does not follow a clean index from before segments were replaced", async () => {
  const home = await filledHome();
  await rewrite(home, "unmoved");
  const store = await openSeamStore(home, { ...OPTIONS, readOnly: true });
  assert.ok((await store.verify({ full: true })).ok);
  await check(store);
});

for (const [when, moved] of [
  ["from before segments were replaced is not used", "all"],
  ["from before the segment was replaced that it came to is not used", "its last"],
  ["from before a segment behind it was replaced is used", "a later one"],
] as const) {
  test(`a checkpoint ${when} after an unclean reboot`, async () => {
    const home = await filledHome({ checkpointBatchesMin: COUNT / 2 });
    await save(await openSeamStore(home, OPTIONS, "buffered"), COUNT, 2 * COUNT);
    await closeStores();
    const [used, checkpoint] = generationsOf(home);
    assert.type(checkpoint, "number", "one was taken");
    const last = markOf(indexFolder(home, checkpoint!)).clean.segment;
    await rewrite(home, moved === "all" ? "" : `:${moved === "its last" ? last : last + 1}`);
    rebootUncleanly(home, used!);
    const before = newest(home);
    const store = await openSeamStore(home, OPTIONS);
    assert.is(newest(home) > before, moved !== "a later one");
    await check(store, 2 * COUNT);
    assert.ok((await store.verify({ full: true })).ok);
  });
}

/** The one in use, then the checkpoint: it has less of the log. */
function generationsOf(home: string): number[] {
  const sequence = (generation: number) => markOf(indexFolder(home, generation)).clean.sequence;
  return listGenerations(home).sort((a, b) => sequence(b) - sequence(a));
}

test("while somebody moves records no checkpoint is begun; the next commit begins it", async () => {
  const home = newFolder();
  const store = await openSeamStore(home, { ...OPTIONS, checkpointBatchesMin: COUNT - 4 });
  const holder = await leaseHolder(home);
  await save(store, 0, COUNT);
  assert.is(listGenerations(home).length, 1);
  await holder.kill();
  await store.save("next", 1);
  await store.close();
  assert.is(listGenerations(home).length, 2);
});

test("a checkpoint that was begun before somebody moves records does not count when it ends meanwhile", async () => {
  const home = newFolder();
  let [goOn, reach] = [() => {}, () => {}];
  const held = new Promise<void>((resolve) => (goOn = resolve));
  const reached = new Promise<void>((resolve) => (reach = resolve));
  Catalog.prototype.copyTo = async function (this: Catalog, folder: string) {
    await copyTo.call(this, folder);
    reach();
    await held;
  };
  const store = await openSeamStore(home, { ...OPTIONS, checkpointBatchesMin: COUNT / 2 });
  await save(store, 0, COUNT);
  await reached;
  await leaseHolder(home);
  goOn();
  await store.close();
  assert.is(listGenerations(home).length, 1);
});

test.run();

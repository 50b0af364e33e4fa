import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { segmentsOf, sizeOf } from "../helpers/damage.ts";
import { gate, WatchedFiles } from "../helpers/files.ts";
import { copyHome, filesUnder, fingerprint, newFolder } from "../helpers/folders.ts";
import { closeAll, openSeamStore, openTestStore } from "../helpers/stores.ts";
import { filesOf, filledStore, isState, SMALL, saveSome, stateOf, UnlinkedFiles } from "./backup-support.ts";

const test = suite("backup");
test.after.each(closeAll);

const inodesOf = (home: string) => segmentsOf(home).map((file) => statSync(file).ino);
const logBytes = (home: string) => segmentsOf(home).reduce((sum, file) => sum + sizeOf(file), 0);

test("a backup is the store at that moment, openable at once, for its owner only", async () => {
  const { home, store, to } = await filledStore();
  writeFileSync(join(home, "config.json"), '{"durability":"durable"}\n');
  const before = await stateOf(store);
  const { sequence } = await store.stats();
  const report = await store.backup(to);
  assert.equal(
    { ...report, copiedBytes: 0, linkedBytes: 0 },
    {
      ...{ folder: to, dryRun: false, sequence, segments: segmentsOf(home).length, unchanged: 0 },
      ...{ copiedBytes: 0, linkedBytes: 0, bytes: logBytes(home), problems: [] },
    },
  );
  assert.is(report.copiedBytes + report.linkedBytes, report.bytes);
  await store.save("later", 1);
  await isState(to, before);
  assert.equal(readdirSync(to).sort(), ["config.json", "log"], "no locks and no index");
  assert.is(readFileSync(join(to, "config.json"), "utf8"), '{"durability":"durable"}\n');
  assert.is(statSync(to).mode & 0o777, 0o700);
  assert.is(statSync(join(to, "log")).mode & 0o777, 0o700);
  for (const file of filesUnder(to)) assert.is(statSync(file).mode & 0o777, 0o600, file);
  assert.equal(
    readdirSync(join(to, "log")).filter((name) => !name.endsWith(".varve")),
    [],
  );
});

test("on one disk sealed segments are shared by links, and the newest is the backup's own", async () => {
  const { home, store, to } = await filledStore();
  const { linkedBytes, copiedBytes } = await store.backup(to);
  assert.equal(inodesOf(to).slice(0, -1), inodesOf(home).slice(0, -1));
  assert.is.not(inodesOf(to).at(-1), inodesOf(home).at(-1));
  assert.is(copiedBytes, sizeOf(segmentsOf(home).at(-1)!));
  assert.is(linkedBytes, logBytes(home) - copiedBytes);
});

test("the second time only what is new is copied, and what was linked stays", async () => {
  const { home, store, to } = await filledStore();
  const first = await store.backup(to);
  const inodes = inodesOf(to);
  const nothing = await store.backup(to);
  assert.equal([nothing.copiedBytes, nothing.unchanged], [0, first.segments]);
  assert.equal(inodesOf(to), inodes);
  await saveSome(store, "b", 5);
  const state = await stateOf(store);
  const second = await store.backup(to);
  assert.is(second.unchanged, first.segments - 1);
  assert.is(second.copiedBytes, sizeOf(segmentsOf(home).at(-1)!));
  assert.is(second.linkedBytes, second.bytes - second.copiedBytes);
  assert.equal(inodesOf(to).slice(0, -1), inodesOf(home).slice(0, -1), "the formerly newest is shared now");
  await isState(to, state);
});

test("on another disk, or one without links, sealed segments are copied once", async () => {
  for (const code of ["EXDEV", "EPERM", "EMLINK", "EOPNOTSUPP"]) {
    const { store, files, to } = await filledStore(new UnlinkedFiles(code));
    const first = await store.backup(to);
    assert.equal([first.linkedBytes, first.copiedBytes], [0, first.bytes], code);
    await saveSome(store, "b", 5);
    const inodes = inodesOf(to);
    const written = files.counts.appendedBytes;
    const second = await store.backup(to);
    assert.is(second.unchanged, first.segments - 1);
    assert.equal(inodesOf(to).slice(0, first.segments - 1), inodes.slice(0, -1));
    const control = 2_000;
    assert.ok(files.counts.appendedBytes - written < second.copiedBytes + control);
    assert.ok(second.copiedBytes < second.bytes - first.copiedBytes / 2);
    await isState(to, await stateOf(store));
    await closeAll();
  }
});

test("with `copy` nothing is shared, what was shared before neither", async () => {
  const { home, store, to } = await filledStore();
  await store.backup(to);
  const report = await store.backup(to, { copy: true });
  assert.is(report.linkedBytes, 0);
  const own = new Set(inodesOf(home));
  assert.not(inodesOf(to).some((inode) => own.has(inode)));
  await isState(to, await stateOf(store));
  const again = await store.backup(to, { copy: true });
  assert.equal([again.copiedBytes, again.unchanged], [0, again.segments]);
});

test("a dry run foresees what is done, and changes nothing", async () => {
  const { store, to } = await filledStore();
  const first = await store.backup(to, { dryRun: true });
  assert.not(existsSync(to));
  assert.equal({ ...(await store.backup(to)), dryRun: true }, first);
  await saveSome(store, "b", 5);
  const before = fingerprint(to);
  const second = await store.backup(to, { dryRun: true });
  assert.equal(fingerprint(to), before);
  assert.equal({ ...(await store.backup(to)), dryRun: true }, second);
});

test("copied back it is a home; used as one itself it leaves the store alone", async () => {
  const { home, store, to } = await filledStore();
  await store.backup(to);
  const expected = await stateOf(store);
  await store.close();
  const before = filesOf(home);
  for (const folder of [copyHome(to), to]) {
    const restored = await openSeamStore(folder, SMALL);
    assert.equal(await stateOf(restored), expected);
    await saveSome(restored, "there", 5);
    await restored.delete("a:1");
    await restored.repair();
    assert.equal((await restored.verify({ full: true })).problems, []);
    await restored.close();
  }
  assert.equal(filesOf(home), before);
});

test("a store that was opened read-only can be backed up, with the index of its home and without", async () => {
  const { home, store, to } = await filledStore();
  const expected = await stateOf(store);
  await (await openTestStore(home, { readOnly: true })).backup(to, { verify: true });
  await isState(to, expected);
  await store.close();
  for (const name of readdirSync(home)) if (name !== "log") rmSync(join(home, name), { recursive: true });
  const alone = await openTestStore(home, { readOnly: true });
  const other = join(newFolder(), "other");
  await alone.backup(other);
  await isState(other, expected);
  assert.equal(readdirSync(home), ["log"]);
});

test("what was only buffered is put on the disk first", async () => {
  const files = new WatchedFiles();
  const home = newFolder();
  const store = await openSeamStore(home, { files }, "buffered");
  const syncing = gate();
  files.onSync = (path) => (path.startsWith(home) ? syncing.opened : undefined);
  await store.save("a", 1);
  const to = join(newFolder(), "backup");
  const running = store.backup(to);
  const first = await Promise.race([running, new Promise((resolve) => setTimeout(resolve, 500, "waits"))]);
  syncing.open();
  assert.is(first, "waits");
  assert.is((await running).sequence, 1);
});

test("a reader that has the backup open sees what comes to it", async () => {
  const { store, to } = await filledStore();
  await store.backup(to);
  const problems: string[] = [];
  const log = (message: string) => void problems.push(message);
  const logger = { debug: log, info: log, warn: log, error: log };
  const reader = await openTestStore(to, { readOnly: true, logger });
  await reader.load("a:0");
  for (const count of [1, 1, 6]) {
    await saveSome(store, "b", count);
    const { sequence } = await store.backup(to);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.is((await reader.stats()).sequence, sequence);
    assert.equal(await stateOf(reader), await stateOf(store));
  }
  assert.equal(problems, []);
});

test.run();

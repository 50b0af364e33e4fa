import { cpSync, existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { damageText } from "../helpers/damage.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { WatchedFiles } from "../helpers/files.ts";
import { copyHome } from "../helpers/folders.ts";
import { closeAll, openSeamStore, openTestStore } from "../helpers/stores.ts";
import { until } from "../helpers/time.ts";
import {
  filesOf,
  filledStore,
  isState,
  SMALL,
  saveSome,
  stateOf,
  textOf,
  UnlinkedFiles,
} from "./backup-support.ts";

/** Backups of stores whose segments were rewritten. */
const test = suite("backup: compacted stores");
test.after.each(closeAll);

/** Much of it is dead, and lies before and behind a backup. */
async function compactedStore(files = new WatchedFiles()) {
  const { home, store, to } = await filledStore(files);
  await store.backup(to);
  await saveSome(store, "b", 9);
  for (const ref of ["a:0", "a:2", "b:1", "b:4"]) await store.delete(ref);
  return { home, store, to };
}

const rewritten = (folder: string) => readdirSync(join(folder, "log")).filter((name) => name.includes("-"));

test("segments that were rewritten take the places of those that they stand for, which go", async () => {
  for (const files of [new WatchedFiles(), new UnlinkedFiles()]) {
    const { home, store, to } = await compactedStore(files);
    await store.backup(to);
    for (let n = 0; n < 3; n++) {
      await store.compact();
      assert.ok(rewritten(home).length > 2);
      const report = await store.backup(to, { verify: true });
      assert.equal(report.problems, []);
      assert.equal(readdirSync(join(to, "log")), readdirSync(join(home, "log")));
      await isState(to, await stateOf(store));
      assert.is((await store.backup(to)).copiedBytes, 0);
      await store.delete(`b:${5 + n}`);
    }
    await closeAll();
  }
});

test("files that a compaction would remove stay as long as a backup copies them", async () => {
  const { home, store, files, to } = await filledStore(new UnlinkedFiles());
  for (const n of [0, 2, 4]) await store.delete(`a:${n}`);
  const expected = await stateOf(store);
  const names = readdirSync(join(home, "log"));
  const other = await openSeamStore(home, SMALL);
  let compacting: Promise<unknown> | undefined;
  const arePresent = () => names.every((name) => existsSync(join(home, "log", name)));
  files.onSync = async (path) => {
    if (compacting || !path.startsWith(join(to, "log", "backup-"))) return;
    compacting = other.compact();
    await until("a segment is rewritten", () => rewritten(home).length > 0);
    // Whoever has the store open says once a second what he still reads with.
    for (let n = 0; n < 250 && arePresent(); n++) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  const { sequence } = await store.backup(to);
  files.onSync = undefined;
  assert.equal(readdirSync(join(to, "log")), names);
  await isState(to, expected);
  await compacting;
  assert.is(await store.load("a:1"), textOf("a", 1));
  assert.is((await store.backup(to)).sequence, sequence);
  await isState(to, expected);
});

test("where files went all the same, the backup begins anew with those that took their places", async () => {
  const { home, store, files, to } = await filledStore(new UnlinkedFiles());
  for (const n of [0, 2, 4]) await store.delete(`a:${n}`);
  const other = copyHome(home);
  const compacted = await openSeamStore(other, SMALL);
  await compacted.compact();
  await compacted.close();
  const names = rewritten(other).slice(0, 2);
  const expected = await stateOf(store);
  let appends = 0;
  files.onAppend = (pieces, write) => {
    write(pieces);
    if (++appends !== 2) return;
    // As another process would, which took this one for gone.
    for (const name of names) cpSync(join(other, "log", name), join(home, "log", name));
    for (const name of names) rmSync(join(home, "log", `${name.slice(0, 10)}.varve`));
  };
  await store.backup(to);
  assert.equal(rewritten(to), names);
  await isState(to, expected);
});

test("a damaged segment that was rewritten takes nothing sound away from the backup", async () => {
  const { home, store, to } = await compactedStore(new UnlinkedFiles());
  await store.backup(to);
  const before = filesOf(to);
  await store.compact();
  damageText(join(home, "log", rewritten(home)[0]!), "xxxxx");
  await saveSome(store, "later", 1);
  const { hint } = await failureWithHint(store.backup(to), "CORRUPTION");
  assert.match(hint!, "repair --from");
  assert.equal(filesOf(to).slice(1), before.slice(1));
});

test("a damaged compacted store is repaired from its compacted backup", async () => {
  const { home, store, to } = await compactedStore(new UnlinkedFiles());
  await store.compact();
  await store.backup(to);
  const expected = await stateOf(store);
  for (const name of rewritten(home)) damageText(join(home, "log", name), "xxxxx");
  assert.not((await store.verify()).ok);
  const report = await store.repair({ from: to });
  assert.equal(report.notRepaired, []);
  assert.equal(await stateOf(store), expected);
  assert.equal((await store.verify({ full: true })).problems, []);
  rmSync(join(home, "log", rewritten(home)[1]!));
  assert.equal((await store.repair({ from: to })).notRepaired, []);
  assert.equal(await stateOf(store), expected);
});

test("a compacted store gets values that it lost from a backup of before", async () => {
  const { home, store, to } = await compactedStore(new UnlinkedFiles());
  await store.backup(to);
  await store.compact();
  const expected = await stateOf(store);
  damageText(join(home, "log", rewritten(home)[0]!), "xxxxx");
  assert.equal((await store.repair({ from: to })).notRepaired, []);
  assert.equal(await stateOf(store), expected);
});

test("a backup that was written to is refused also when the store was compacted since", async () => {
  const { store, to } = await filledStore();
  await store.backup(to);
  const used = copyHome(to);
  const user = await openTestStore(used);
  await user.save("there", 1);
  await user.close();
  await saveSome(store, "b", 9);
  for (const ref of ["a:9", "tagged:0", "b:1", "b:4"]) await store.delete(ref);
  await store.compact();
  const before = filesOf(used);
  await failureWithHint(store.backup(used), "CONFLICT");
  assert.equal(filesOf(used).slice(1), before.slice(1));
  await store.backup(to);
  await isState(to, await stateOf(store));
});

test("a backup of files that were compacted otherwise is refused", async () => {
  const { home, store, to } = await filledStore();
  await store.delete("a:0");
  await store.close();
  const copy = await openSeamStore(copyHome(home), SMALL);
  const original = await openSeamStore(home, SMALL);
  await original.compact();
  await original.backup(to);
  // What the backup has lost for good.
  await copy.undelete("a:0");
  await copy.delete("a:1");
  await copy.compact();
  const before = filesOf(to);
  await failureWithHint(copy.backup(to), "CONFLICT");
  assert.equal(filesOf(to).slice(1), before.slice(1));
});

test.run();

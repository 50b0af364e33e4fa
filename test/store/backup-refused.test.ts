import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import type { VarveErrorCode } from "../../engine/errors.ts";
import { openEngine } from "../../engine/key-value.ts";
import { flipByte, segmentsOf } from "../helpers/damage.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { systemError } from "../helpers/files.ts";
import { copyHome, fingerprint, newFolder } from "../helpers/folders.ts";
import { closeAll, newStore, openSeamStore, openTestStore, track } from "../helpers/stores.ts";
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

/** A backup that is not made: what is there already stays as it was. */
const test = suite("backup: refused, or ended");
test.after.each(closeAll);

test("folders that hold something else, or lie in the home, are refused and left alone", async () => {
  const { home, store } = await filledStore();
  const full = newFolder();
  writeFileSync(join(full, "letter.txt"), "dear");
  const withLogs = newFolder();
  mkdirSync(join(withLogs, "log"));
  writeFileSync(join(withLogs, "log", "server.log"), "GET /");
  const file = join(newFolder(), "file");
  writeFileSync(file, "");
  const link = join(newFolder(), "link");
  symlinkSync(home, link);
  const linkedLog = newFolder();
  symlinkSync(join(home, "log"), join(linkedLog, "log"));
  const folders = [
    full,
    withLogs,
    file,
    home,
    link,
    linkedLog,
    join(home, "log"),
    join(home, "x", "y"),
    join(link, "x"),
  ];
  for (const dryRun of [false, true]) {
    for (const folder of folders) {
      const before = [fingerprint(full), fingerprint(withLogs), filesOf(home)];
      await failureWithHint(store.backup(folder, { dryRun }), "INVALID_ARGUMENT");
      assert.equal([fingerprint(full), fingerprint(withLogs), filesOf(home)], before, folder);
    }
  }
  await failureWithHint(store.backup(""), "INVALID_ARGUMENT");
  await failureWithHint(store.backup(7 as never), "INVALID_ARGUMENT");
  const mount = newFolder();
  mkdirSync(join(mount, "lost+found"));
  await store.backup(mount);
});

test("another store, its backup, an engine, and a folder of unknown segments are refused and left alone", async () => {
  const { store, to } = await filledStore();
  const other = await newStore();
  await other.save("a", 1);
  await other.backup(to);
  const engineHome = newFolder();
  const engine = track(await openEngine(engineHome));
  await engine.put("a", 1);
  const refused: [string, VarveErrorCode][] = [
    [to, "CONFLICT"],
    [other.home, "CONFLICT"],
    [engineHome, "CONFLICT"],
  ];
  const unknown = copyHome(to);
  flipByte(segmentsOf(unknown)[0]!, 60);
  refused.push([unknown, "CORRUPTION"]);
  for (const [folder, code] of refused) {
    const before = fingerprint(folder, /index|lock/);
    await failureWithHint(store.backup(folder), code);
    assert.equal(fingerprint(folder, /index|lock/), before);
  }
});

test("a backup that was written to, or knows more than the store, is refused and left alone", async () => {
  const { home, store, to } = await filledStore();
  await store.backup(to);
  const older = copyHome(home);
  const used = copyHome(to);
  const user = await openTestStore(used);
  await user.save("there", 1);
  await user.close();
  const rolled = copyHome(to);
  const roller = await openSeamStore(rolled, SMALL);
  await saveSome(roller, "there", 8);
  await roller.close();
  // So that neither its size nor its numbers tell.
  await store.save("heRe", 1);
  const check = async (from: ArtifactStore, folder: string) => {
    const before = filesOf(folder);
    const { hint } = await failureWithHint(from.backup(folder), "CONFLICT");
    assert.match(hint!, "repair --from");
    assert.equal(filesOf(folder), before);
  };
  await check(store, used);
  await check(store, rolled);
  await saveSome(store, "here", 12);
  await check(store, used);
  await check(store, rolled);
  await store.backup(to);
  await check(await openTestStore(older), to);
});

test("a backup that is open as a store is refused; once closed it is brought up to date, without locks and index", async () => {
  const { store, to } = await filledStore();
  await store.backup(to);
  const user = await openTestStore(to);
  await saveSome(store, "b", 5);
  const { message } = await failureWithHint(store.backup(to), "CONFLICT");
  assert.match(message, `process ${process.pid}`);
  assert.is(await user.load("a:0"), textOf("a", 0));
  await user.close();
  assert.ok(existsSync(join(to, "lock")));
  await store.backup(to);
  assert.equal(readdirSync(to).sort(), ["config.json", "log"]);
  await isState(to, await stateOf(store));
  const again = await openTestStore(to);
  assert.equal(await stateOf(again), await stateOf(store));
});

test("a full disk is told before anything is begun, and in the middle", async () => {
  const { store, files, to } = await filledStore(new UnlinkedFiles());
  await store.backup(to);
  const expected = await stateOf(store);
  await saveSome(store, "b", 5);
  const before = filesOf(to);
  files.onFreeBytes = () => 1_000;
  await failureWithHint(store.backup(to), "NO_SPACE");
  files.onFreeBytes = undefined;
  let appends = 0;
  files.onAppend = (pieces, write) => {
    if (++appends < 3) return write(pieces);
    throw systemError("ENOSPC", "write");
  };
  await failureWithHint(store.backup(to), "NO_SPACE");
  files.onAppend = undefined;
  assert.equal(filesOf(to), before);
  await isState(to, expected);
  await store.backup(to);
  await isState(to, await stateOf(store));
});

test("two backups at once to one folder: one is refused, and both may go elsewhere", async () => {
  const { store, to } = await filledStore(new UnlinkedFiles());
  const [one, other, elsewhere] = await Promise.allSettled([
    store.backup(to),
    store.backup(to),
    store.backup(join(newFolder(), "elsewhere")),
  ]);
  assert.equal([one.status, elsewhere.status], ["fulfilled", "fulfilled"]);
  assert.is(other.status, "rejected");
  const refused = await failure(Promise.reject((other as PromiseRejectedResult).reason), "CONFLICT");
  assert.match(refused.message, `process ${process.pid}`);
  await isState(to, await stateOf(store));
});

test("what was abandoned is left in no state: an aborted backup leaves the earlier one", async () => {
  const { store, to } = await filledStore(new UnlinkedFiles());
  await store.backup(to);
  const expected = await stateOf(store);
  await saveSome(store, "b", 5);
  const before = filesOf(to);
  const controller = new AbortController();
  const running = store.backup(to, { signal: controller.signal, onProgress: () => controller.abort() });
  await Promise.allSettled([running]);
  if (
    await running.then(
      () => false,
      () => true,
    )
  ) {
    await failure(running, "ABORTED");
    assert.equal(filesOf(to), before);
    await isState(to, expected);
  }
});

test.run();

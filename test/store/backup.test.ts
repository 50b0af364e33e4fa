import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import type { VarveErrorCode } from "../../engine/errors.ts";
import { openEngine } from "../../engine/key-value.ts";
import { cutFile, damageText, flipByte, segmentsOf, sizeOf } from "../helpers/damage.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { gate, systemError, WatchedFiles } from "../helpers/files.ts";
import { copyHome, filesUnder, fingerprint, newFolder } from "../helpers/folders.ts";
import { closeAll, newStore, openSeamStore, openTestStore, track } from "../helpers/stores.ts";
import { filledStore, isState, SMALL, saveSome, stateOf, textOf, UnlinkedFiles } from "./backup-support.ts";

const test = suite("backup");

test.after.each(closeAll);

const inodesOf = (home: string) => segmentsOf(home).map((file) => statSync(file).ino);
/** Names, sizes, times and contents of its segments. */
const filesOf = (folder: string) => fingerprint(join(folder, "log"));

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

// Refused

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

// Damage

test("`verify` reads the backup and tells its damage; what is damaged is put back by the next backup once it is away", async () => {
  const { store, to } = await filledStore(new UnlinkedFiles());
  assert.equal((await store.backup(to, { verify: true })).problems, []);
  damageText(segmentsOf(to)[1]!, textOf("a", 4).slice(0, 5));
  assert.equal((await store.backup(to)).problems, []);
  const { problems } = await store.backup(to, { verify: true });
  assert.equal(
    problems.map(({ kind, segment }) => [kind, segment]),
    [["record", 2]],
  );
  rmSync(segmentsOf(to)[1]!);
  assert.equal((await store.backup(to, { verify: true })).problems, []);
  await isState(to, await stateOf(store));
});

test("a damaged store takes nothing sound away from its backup, and is repaired from it", async () => {
  const damages: ((file: string) => void)[] = [
    (file) => rmSync(file),
    (file) => cutFile(file, 400),
    (file) => flipByte(file, 20),
    (file) => damageText(file, "xxxxx"),
  ];
  for (const damage of damages) {
    const { home, store, to } = await filledStore(new UnlinkedFiles());
    await store.backup(to);
    await saveSome(store, "b", 5);
    damage(segmentsOf(home)[1]!);
    await store.backup(to);
    const expected = await stateOf(await openTestStore(to, { readOnly: true }));
    await isState(to, expected);
    assert.ok((await store.repair({ from: to })).ok);
    assert.equal(await stateOf(store), expected);
    await store.backup(to);
    await isState(to, expected);
    await closeAll();
  }
});

test("a damaged store is repaired from a backup that grew in many parts, over a link too once that file is its own", async () => {
  const { home, store, to } = await filledStore();
  for (const name of ["b", "c", "d"]) {
    await store.backup(to, { copy: name === "c" });
    await saveSome(store, name, 4);
  }
  await store.backup(to, { copy: true });
  const expected = await stateOf(store);
  for (const file of segmentsOf(home)) damageText(file, "xxxxx");
  assert.ok((await store.repair({ from: to })).ok);
  assert.equal(await stateOf(store), expected);
});

test("a repair leaves what the backup shares with the store as it was", async () => {
  const { home, store, to } = await filledStore();
  await store.backup(to);
  const sound = copyHome(to);
  damageText(segmentsOf(home)[1]!, "xxxxx");
  const damaged = readFileSync(segmentsOf(to)[1]!);
  assert.ok((await store.repair({ from: sound })).ok);
  assert.equal(readFileSync(segmentsOf(to)[1]!), damaged, "the other name of the damaged file");
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

// Compaction

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
    while (rewritten(home).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
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

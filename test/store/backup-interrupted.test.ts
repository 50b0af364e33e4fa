import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { VarveError } from "../../engine/errors.ts";
import type { FileSystem } from "../../engine/log/file.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { systemError, WatchedFiles } from "../helpers/files.ts";
import { fingerprint, newFolder, openFilesUnder } from "../helpers/folders.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { FALLIBLE, steppingFiles } from "../helpers/stepping-files.ts";
import { closeAll, openSeamStore, openTestStore } from "../helpers/stores.ts";
import { filledStore, isState, SMALL, saveSome, stateOf, UnlinkedFiles } from "./backup-support.ts";

const test = suite("backup, interrupted");

test.after.each(closeAll);
test.after.each(killPrograms);

/** Of the steps at which a backup fails or is killed, every so many-th; 1 takes minutes. */
const STRIDE = Number(process.env.VARVE_TEST_BACKUP_STRIDE ?? 7);
const DISKS = ["one disk", "two disks"] as const;

const diskOf = (disks: string) => (disks === "two disks" ? new UnlinkedFiles() : new WatchedFiles());

/**
 * A home that went on since its backup, and both states. Segments of before and behind were compacted together with what
 * was deleted only later: such files must come to count at once.
 */
async function material(disks: string) {
  const { home, store, to } = await filledStore(diskOf(disks));
  await store.backup(to);
  const earlier = await stateOf(store);
  await saveSome(store, "b", 9);
  for (const ref of ["a:2", "b:1", "b:4"]) await store.delete(ref);
  await store.compact();
  const now = await stateOf(store);
  await store.close();
  assert.ok(readdirSync(join(home, "log")).filter((name) => name.includes("-")).length > 3);
  return { home, to, states: { earlier, now } };
}

const asText = (state: unknown) => JSON.stringify(state);

/** The backup is a store that is whole, in one of the states; gives which. */
async function stateIn(folder: string, states: Record<string, unknown[]>, when: string): Promise<string> {
  const store = await openTestStore(folder, { readOnly: true });
  assert.equal((await store.verify({ full: true })).problems, [], when);
  const found = asText(await stateOf(store));
  await store.close();
  const name = Object.keys(states).find((each) => asText(states[each]) === found);
  assert.ok(name, `${when}: neither state`);
  return name!;
}

/** Nothing but the log is there, and in it nothing but segments. */
function isTidy(folder: string, when: string): void {
  assert.equal(
    readdirSync(join(folder, "log")).filter((name) => !name.endsWith(".varve")),
    [],
    when,
  );
}

test("wherever it is killed, the earlier backup is there or the new one, and another backup brings it up to date", async () => {
  const seen = new Set<string>();
  for (const disks of DISKS) {
    const { home, to, states } = await material(disks);
    const copies = (n: string) => {
      const folder = join(newFolder(), n);
      cpSync(to, folder, { recursive: true });
      return folder;
    };
    const run = (folder: string, last: string) =>
      new Program("../store/backup-program.ts", [home, folder, last, disks]);
    const [{ calls }] = await run(copies("probe"), "1e9").rest();
    assert.ok(calls > 15, `${calls}`);
    for (let last = 1 + (calls % STRIDE); last <= calls; last += STRIDE) {
      const when = `${disks}, killed behind call ${last} of ${calls}`;
      const folder = copies("backup");
      const program = run(folder, String(last));
      await program.ended();
      assert.is(program.process.signalCode, "SIGKILL", `${when} ${program.errors}`);
      seen.add(await stateIn(folder, states, when));
      const store = await openSeamStore(home, { files: diskOf(disks) });
      await store.backup(folder);
      await store.close();
      assert.is(await stateIn(folder, states, when), "now");
      isTidy(folder, when);
    }
    await closeAll();
  }
  assert.equal([...seen].sort(), ["earlier", "now"]);
});

test("wherever a first backup is killed, the folder is that of a whole store or of none, and the next one fills it", async () => {
  const { home, to, states } = await material("one disk");
  const run = (folder: string, last: string) =>
    new Program("../store/backup-program.ts", [home, folder, last, "one disk"]);
  const [{ calls }] = await run(join(to, "..", "probe"), "1e9").rest();
  for (let last = 1 + (calls % STRIDE); last <= calls; last += STRIDE) {
    const when = `killed behind call ${last} of ${calls}`;
    const folder = join(newFolder(), "backup");
    const program = run(folder, String(last));
    await program.ended();
    assert.is(program.process.signalCode, "SIGKILL", when);
    const found = await openTestStore(folder, { readOnly: true }).catch((error: VarveError) => error.code);
    if (found !== "NOT_FOUND") assert.is(await stateIn(folder, states, when), "now");
    const store = await openTestStore(home);
    await store.backup(folder);
    await store.close();
    assert.is(await stateIn(folder, states, when), "now");
    isTidy(folder, when);
  }
});

test("whatever call to the disk fails, the error says so, the backup is whole, and the next one works", async () => {
  for (const disks of DISKS) {
    for (const code of ["EIO", "ENOSPC"]) {
      const { home, to, states } = await material(disks);
      let calls = Number.NaN;
      // The first run counts.
      for (let nth = 0; !(nth > calls); nth += nth === 0 ? 1 + (calls % STRIDE) : STRIDE) {
        const folder = join(newFolder(), "backup");
        cpSync(to, folder, { recursive: true });
        let count = Number.NEGATIVE_INFINITY;
        let failed = "";
        const files: FileSystem = steppingFiles(
          FALLIBLE,
          {
            before(name, path) {
              if (++count !== nth) return;
              failed = `${name} ${path}`;
              throw systemError(code, name);
            },
          },
          diskOf(disks),
        );
        const store = await openSeamStore(home, { ...SMALL, files });
        count = 0;
        const outcome = await store.backup(folder).catch((error: unknown) => error);
        const when = `${disks}, ${code} at call ${nth}: ${failed}`;
        if (nth === 0) calls = count;
        else {
          count = Number.NEGATIVE_INFINITY;
          if (outcome instanceof Error) {
            assert.instance(outcome, VarveError, when);
            const { code: told, hint } = outcome as VarveError;
            assert.is(told, code === "ENOSPC" ? "NO_SPACE" : "IO", `${when}: ${outcome.message}`);
            assert.ok(hint, when);
          }
          assert.equal(openFilesUnder(folder), [], when);
          await stateIn(folder, states, when);
          await store.backup(folder);
        }
        assert.is(await stateIn(folder, states, when), "now");
        isTidy(folder, when);
        await store.close();
      }
      assert.ok(calls > 30, `${calls}`);
      await closeAll();
    }
  }
});

test("who opens an interrupted backup finishes it, and one that only promised nothing is left as it was", async () => {
  const { home, to, states } = await material("one disk");
  const claimPath = join(to, "log", "unfinished-backup.json");
  const dead = { pid: 1, thread: 0, start: "0", namespace: 0, boot: "an earlier one", id: "0" };
  writeFileSync(claimPath, JSON.stringify(dead));
  assert.is(await stateIn(to, states, "without names"), "earlier");
  assert.ok(existsSync(claimPath));
  const names: Record<string, string> = {};
  for (const [i, name] of readdirSync(join(home, "log")).entries()) {
    const temporary = `backup-${String(i).padStart(12, "0")}.tmp`;
    cpSync(join(home, "log", name), join(to, "log", temporary));
    names[temporary] = name;
  }
  // What is no name of a segment is nobody's.
  writeFileSync(join(to, "letter"), "dear");
  writeFileSync(join(to, "log", "backup-ffffffffffff.tmp"), "");
  names["../letter"] = "0000000099.varve";
  names["backup-ffffffffffff.tmp"] = "../stolen";
  writeFileSync(claimPath, JSON.stringify({ ...dead, names }));
  assert.is(await stateIn(to, states, "with names"), "now");
  isTidy(to, "with names");
  assert.ok(existsSync(join(to, "letter")));
  assert.not(existsSync(join(to, "stolen")));
});

test("a backup that another process writes is refused to this one, and free again when that has ended", async () => {
  const { home, to, states } = await material("one disk");
  const stat = readFileSync("/proc/self/stat", "latin1");
  const start = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  const { bootId, namespace } = await ownPlace();
  const claimPath = join(to, "log", "unfinished-backup.json");
  const claim = { pid: process.pid, thread: 7, start, namespace, boot: bootId, id: "another thread" };
  const store = await openTestStore(home);
  const before = fingerprint(join(to, "log"));
  writeFileSync(claimPath, JSON.stringify(claim));
  for (const isThere of [claim, { ...claim, namespace: 1, pid: 1 }]) {
    writeFileSync(claimPath, JSON.stringify(isThere));
    const { hint } = await failureWithHint(store.backup(to), "CONFLICT");
    assert.match(hint!, "unfinished-backup.json");
    const refused = await failureWithHint(openTestStore(to), "UNAVAILABLE");
    assert.match(refused.message, `process ${isThere.pid} is backing up`);
    assert.is(await stateIn(to, states, "read meanwhile"), "earlier");
  }
  assert.equal(fingerprint(join(to, "log"), /unfinished/).slice(0, before.length), before);
  for (const gone of [
    "",
    "{",
    JSON.stringify({ ...claim, start: "1" }),
    JSON.stringify({ ...claim, boot: "x" }),
  ]) {
    writeFileSync(claimPath, gone);
    await store.backup(to);
    isTidy(to, gone);
  }
  await isState(to, states.now);
});

async function ownPlace(): Promise<{ bootId: string; namespace: number }> {
  const { currentBootId, pidNamespace } = await import("../../engine/index/boot.ts");
  return { bootId: currentBootId(), namespace: pidNamespace() };
}

test.run();

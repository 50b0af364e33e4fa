import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { VarveError } from "../../engine/errors.ts";
import { damageText, marked, segmentsOf } from "../helpers/damage.ts";
import { systemError, WatchedFiles } from "../helpers/files.ts";
import { copyHome, filesUnder } from "../helpers/folders.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { closeAll, openSeamStore, openTestStore } from "../helpers/stores.ts";
import { COUNT, damageBatch, filledHome, isWhole, STRIDE } from "./repair-support.ts";

/** A repair that fails or is killed at any step, and others beside it. */
const test = suite("repair: interrupted");
test.after.each(closeAll);
test.after.each(killPrograms);

test("the damaged file has its second name on the disk before a synced one takes the first", async () => {
  const { home, backup } = await filledHome(1500);
  damageText(segmentsOf(home)[1]!, "MARK-");
  const files = new WatchedFiles();
  const store = await openSeamStore(home, { files });
  files.calls.length = 0;
  assert.ok((await store.repair({ from: backup })).ok);
  const steps = files.calls.filter((call) => !call.startsWith("append"));
  assert.equal(steps.slice(0, 6), [
    "sync new.tmp",
    `syncFolder ${basename(home)}`,
    "link 0000000002.varve",
    "syncFolder quarantine",
    "replace 0000000002.varve",
    "syncFolder log",
  ]);
});

/** Every file of the log that was there at the start is there still, by whatever name: extra copies, never fewer. */
function nothingIsGone(home: string, before: Map<string, Buffer>): void {
  const kept = existsSync(join(home, "quarantine")) ? filesUnder(join(home, "quarantine")) : [];
  const now = [...segmentsOf(home), ...kept].map((file) => readFileSync(file));
  for (const [file, bytes] of before) {
    const isThere = now.some((other) => other.subarray(0, bytes.length).equals(bytes));
    assert.ok(isThere, `${file} is gone`);
    assert.ok(existsSync(file), `${file} has no file under its name`);
  }
}

async function damagedHome(): Promise<{ home: string; backup: string; before: Map<string, Buffer> }> {
  const { home, backup } = await filledHome(1500);
  const segments = segmentsOf(home);
  damageBatch(segments[0]!, 1);
  damageBatch(segments.at(-1)!, COUNT - 1);
  return { home, backup, before: new Map(segments.map((file) => [file, readFileSync(file)])) };
}

test("whichever call of the disk fails, nothing is gone, and a second repair brings all back", async () => {
  let calls = Number.POSITIVE_INFINITY;
  for (let failing = 1; failing <= calls; failing += Math.ceil(STRIDE / 2)) {
    const { home, backup, before } = await damagedHome();
    const files = new WatchedFiles();
    const store = await openSeamStore(home, { files });
    let count = 0;
    const fail = () => {
      if (++count === failing) throw systemError("EIO", "repairing");
    };
    for (const name of ["publish", "link", "replace", "syncFolder", "makeFolder", "remove"] as const) {
      const call = files[name].bind(files) as (...values: string[]) => void;
      files[name] = (...values: string[]) => {
        fail();
        call(...values);
      };
    }
    files.onSync = fail;
    files.onAppend = (pieces, write) => {
      fail();
      write(pieces);
    };
    const outcome = await store.repair({ from: backup }).then(
      ({ ok }) => ok,
      (error) => error,
    );
    if (count < failing) calls = count;
    else assert.is((outcome as VarveError).code, "IO", `call ${failing} of ${files.calls}`);
    await store.close();
    nothingIsGone(home, before);
    const again = await openTestStore(home);
    if (count < failing) assert.is(outcome, true);
    else assert.ok((await again.repair({ from: backup })).ok, `call ${failing}`);
    await isWhole(again);
    assert.equal((await again.verify()).problems, []);
    assert.equal(
      readdirSync(join(home, "log")).filter((name) => name.endsWith(".tmp")),
      [],
    );
    await closeAll();
  }
  assert.ok(calls > 10, `${calls}`);
});

test("wherever it is killed, nothing is gone, and a second repair brings all back", async () => {
  const { home: probe, backup: probed } = await damagedHome();
  const [{ calls }] = await new Program("../store/repair-program.ts", [probe, probed, "1e9"]).rest();
  assert.ok(calls > 10, `${calls}`);
  for (let last = Math.ceil(STRIDE / 2); last <= calls; last += STRIDE) {
    const { home, backup, before } = await damagedHome();
    const program = new Program("../store/repair-program.ts", [home, backup, String(last)]);
    await program.ended();
    assert.is(program.process.signalCode, "SIGKILL", program.errors);
    nothingIsGone(home, before);
    const again = await openTestStore(home);
    await again.save("later", 1);
    assert.ok((await again.repair({ from: backup })).ok, `killed behind call ${last}`);
    await isWhole(again);
    assert.is(await again.load("later"), 1);
    assert.equal((await again.verify()).problems, []);
    await again.close();
    const copy = await openTestStore(copyHome(home));
    await isWhole(copy);
    await closeAll();
  }
});

test("others read and save while it repairs, and see what came back", async () => {
  const { home, backup } = await filledHome(1500);
  const store = await openTestStore(home);
  const other = new Program("../store/repair-user.ts", [home]);
  await other.expect();
  damageText(segmentsOf(home)[0]!, marked(0).slice(0, 9));
  // What stays damaged lets the index be kept: only the raised epoch tells others to open the file again.
  for (const each of [home, backup]) damageBatch(segmentsOf(each)[0]!, 1);
  other.tell("save");
  await other.expect();
  const report = await store.repair({ from: backup });
  assert.equal([report.ok, report.indexRebuilt, report.quarantined.length], [false, false, 1]);
  other.tell("load");
  const { saved, values, failed, corrupt } = await other.expect();
  assert.equal(failed, []);
  assert.equal(values, [marked(0), marked(COUNT - 1)]);
  assert.ok(corrupt > 0, "it had the damaged file open");
  await other.end();
  for (let n = 0; n < saved; n++) assert.is(await store.load(`other:${n}`), n);
  const { healed, problems } = await store.verify();
  assert.equal([healed, problems.filter(({ kind }) => kind === "batch").length], [0, 1]);
});

test.run();

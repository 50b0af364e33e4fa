import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LockEnvironment } from "../../engine/index/lock.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { closeAll, closeStores, openTestStore } from "../helpers/stores.ts";

const test = suite("many processes");
test.after.each(killPrograms);
test.after.each(closeAll);

interface Saved {
  version: number;
  value: string;
  sequence: number;
}

/** Runs writers side by side and gives what each was told. */
async function saveAll(
  home: string,
  writers: number,
  count: number,
  concurrency: number,
): Promise<Saved[][]> {
  const programs = Array.from(
    { length: writers },
    (_, i) => new Program("../processes/saver.ts", [home, `w${i}`, "x", String(count), String(concurrency)]),
  );
  for (const program of programs) await program.expect();
  for (const program of programs) program.tell("go");
  const told: Saved[][] = [];
  for (const program of programs) {
    const { saved, failed } = await program.expect();
    assert.equal(failed, []);
    told.push(saved);
  }
  for (const program of programs) await program.end();
  return told;
}

async function checkHistory(home: string, told: Saved[][], total: number): Promise<void> {
  const all = told.flat();
  assert.equal(
    all.map(({ version }) => version).sort((a, b) => a - b),
    Array.from({ length: total }, (_, i) => i),
  );
  assert.is(new Set(all.map(({ sequence }) => sequence)).size, total);
  const bySequence = [...all].sort((a, b) => a.sequence - b.sequence);
  bySequence.forEach(({ version }, i) => void assert.is(version, i, "versions are in the order of the log"));
  const store = await openTestStore(home);
  for (const { version, value } of all) assert.is(await store.load(`x:${version}`), value);
  assert.ok((await store.verify({ full: true })).ok);
  await store.rebuildIndex();
  for (const { version, value } of all) assert.is(await store.load(`x:${version}`), value);
}

test("two processes that save one name 300 times each, one by one, lose nothing and give no version twice", async () => {
  const home = newFolder();
  const told = await saveAll(home, 2, 300, 1);
  for (const saved of told)
    for (let i = 1; i < saved.length; i++) assert.ok(saved[i]!.sequence > saved[i - 1]!.sequence, "in order");
  await checkHistory(home, told, 600);
});

test("four writers with several saves under way and two readers see one history", async () => {
  const home = newFolder();
  await (await openTestStore(home)).close();
  const observers = ["{}", '{"readOnly":true}'].map(
    (options) => new Program("../processes/observer.ts", [home, "x", options]),
  );
  for (const observer of observers) await observer.expect();
  const told = await saveAll(home, 4, 150, 10);
  const right = new Map(told.flat().map(({ version, value }) => [version, value]));
  for (const observer of observers) {
    observer.tell("stop");
    const { seen, wrong } = await observer.expect();
    assert.equal(wrong, []);
    assert.ok(seen.length > 0);
    for (const [version, value] of seen) assert.is(value, right.get(version), `x:${version}`);
    await observer.end();
  }
  await checkHistory(home, told, 600);
});

test("a reader in a busy loop of loads sees what another process saves", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  await store.save("x", "old");
  const waiter = new Program("../processes/waiter.ts", [home, "x", "new"]);
  await waiter.expect();
  await store.save("x", "new");
  assert.type((await waiter.expect()).loads, "number");
  await waiter.end();
});

test("what one process was told is seen by another that is told of it, at once", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  await store.save("x", "first");
  assert.is(await store.load("x"), "first");
  const [told] = await saveAll(home, 1, 20, 1);
  assert.is(await store.load("x"), told!.at(-1)!.value);
  assert.is((await store.get("x")).version, 20);
  const { version } = await store.save("x", "mine");
  assert.is(version, 21);
});

test("a process that was killed holds nobody up, and is forgotten when the next one opens", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  await store.save("x", 1);
  const reader = new Program("../processes/busy-reader.ts", [home, "x"]);
  await reader.expect();
  await reader.kill();
  await store.save("x", 2);
  await store.close();
  const again = await openTestStore(home);
  const lock = new LockEnvironment(again.home);
  try {
    assert.is(lock.others(), 1, "the one that is open here");
  } finally {
    await lock.close();
  }
});

const separable = spawnSync("unshare", ["--pid", "--fork", "--mount-proc", "true"]).status === 0;
if (!separable) console.log("many processes: skipped: another PID namespace (unshare is refused)");
(separable ? test : test.skip)(
  "a process of another PID namespace is NOT_SUPPORTED unless it is allowed",
  async () => {
    const home = newFolder();
    const store = await openTestStore(home);
    await store.save("x", "value");
    const under = ["unshare", "--pid", "--fork", "--mount-proc"];
    for (const readOnly of [false, true]) {
      const other = new Program("../store/reader-program.ts", [home, JSON.stringify({ readOnly }), "x"], {
        under,
      });
      const { failed } = await other.expect();
      assert.is(failed?.code, "NOT_SUPPORTED");
      assert.ok(failed.hint);
      await other.end();
    }
    const options = JSON.stringify({ allow: ["pid-namespaces"] });
    const allowed = new Program("../store/reader-program.ts", [home, options, "x"], { under });
    assert.equal((await allowed.expect()).values, ["value"]);
    await allowed.end();
    await store.close();
    const alone = new Program("../store/reader-program.ts", [home, "{}", "x"], { under });
    assert.equal((await alone.expect()).values, ["value"]);
    await alone.end();
  },
);

test("a lock that is held too long is UNAVAILABLE with the name of the holder, and nothing was written", async () => {
  const home = newFolder();
  const store = await openTestStore(home, { lockWaitMax: 300 });
  await store.save("x", 1);
  const holder = new Program("../processes/lock-holder.ts", [home]);
  await holder.expect();
  const error = await failureWithHint(store.save("x", 2), "UNAVAILABLE");
  assert.match(error.message, String(holder.process.pid));
  assert.is(await store.load("x"), 1, "reading needs no lock");
  holder.tell("go");
  await holder.end();
  assert.is((await store.save("x", 3)).version, 1);
  assert.ok(readdirSync(home).length > 0);
});

test("opening waits for a process that has the lock without stopping the event loop, and no longer than lockWaitMax", async () => {
  const home = newFolder();
  await (await openTestStore(home)).save("x", 1);
  await closeStores();
  const holder = new Program("../processes/lock-holder.ts", [home]);
  await holder.expect();
  holder.process.kill("SIGSTOP");
  let turns = 0;
  const timer = setInterval(() => turns++, 10);
  const error = await failureWithHint(openTestStore(home, { lockWaitMax: 300 }), "UNAVAILABLE");
  assert.match(error.message, String(holder.process.pid));
  assert.ok(turns > 0, "the event loop went on");
  const reader = await openTestStore(home, { lockWaitMax: 300, readOnly: true });
  assert.is(await reader.load("x"), 1, "reading needs no lock");
  const opening = openTestStore(home, { lockWaitMax: 60_000 });
  holder.process.kill("SIGCONT");
  holder.tell("go");
  assert.is((await (await opening).save("x", 2)).version, 1);
  clearInterval(timer);
  await holder.end();
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { damageText, segmentsOf } from "../helpers/damage.ts";
import { failure } from "../helpers/errors.ts";
import { assertWhole, closeSaver, failAll, failOnce, newSeam, startSaver } from "../helpers/failing-disk.ts";
import { newFolder } from "../helpers/folders.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, openTestStore } from "../helpers/stores.ts";

const test = suite("after a failed sync");
test.after.each(closeAll);
test.after.each(killPrograms);

/** What `unsteady-saver.ts` prints of each call. */
interface Told {
  value: string;
  name: string;
  version?: number;
  outcome: "done" | "unknown" | "none";
  code?: string;
}

test("another process finds the new places, and goes on behind them", async () => {
  const { files, home, store } = await newSeam();
  const other = await startSaver(home, "durable");
  await store.save("a", "x".repeat(2_000));
  assert.is((await other.ask("load a:0")).value, "x".repeat(2_000));
  failOnce(files);
  await store.save("a", "y".repeat(2_000));
  assert.is((await other.ask("load a")).value, "y".repeat(2_000));
  assert.is((await other.ask("save a z")).version, 2);
  assert.is(await store.load("a"), "z");
  await closeSaver(other);
  await assertWhole(home, store);
});

test("who synced the old segment meanwhile, seemingly well, acknowledges what was written again", async () => {
  const { files, home, store } = await newSeam();
  const other = await startSaver(home, "durable");
  await other.ask("save o 0");
  await other.ask("hold");
  assert.is((await other.ask("save o 1")).held, true);
  failOnce(files);
  assert.is((await store.save("a", 1)).version, 0);
  assert.is(segmentsOf(home).length, 2);
  assert.is((await other.ask("release")).version, 1);
  await closeSaver(other);
  assert.is(await store.load("o"), "1");
  await assertWhole(home, store);
});

test("who synced the old segment meanwhile does not acknowledge what was lost, though its number was given again", async () => {
  const { files, home, store } = await newSeam();
  await store.save("a", "safe");
  const other = await startSaver(home, "durable");
  await other.ask("save o first");
  await other.ask("hold");
  assert.is((await other.ask("save o damaged-here")).held, true);
  failOnce(files, (path) => damageText(path, "damaged-here"));
  assert.is((await failure(store.save("a", "behind it"), "IO")).outcome, "unknown");
  for (let i = 1; i < 4; i++) assert.is((await store.save("a", i)).version, i);
  assert.equal(await other.ask("release"), { code: "IO", outcome: "unknown" });
  assert.is((await other.ask("load o")).value, "first");
  assert.is((await other.ask("save o again")).version, 1);
  await closeSaver(other);
  await assertWhole(home, store);
});

test("who synced the old segment while the mark is set does not trust that, and writes all of it again", async () => {
  const { files, home, store } = await newSeam();
  const other = await startSaver(home, "durable");
  await other.ask("hold");
  assert.is((await other.ask("save o 0")).held, true);
  failAll(files);
  assert.is((await failure(store.save("a", 1), "IO")).outcome, "unknown");
  assert.is(segmentsOf(home).length, 1);
  assert.is((await other.ask("release")).version, 0);
  assert.is(segmentsOf(home).length, 2);
  assert.is((await other.ask("load a")).value, 1);
  await failure(store.save("a", 2), "IO");
  assert.is(await store.load("a"), 1, "it is on the disk now");
  await closeSaver(other);
  await store.close();
  files.onSync = undefined;
  await assertWhole(home, await openTestStore(home));
});

test("when another process has ended the segment by a sync that did not fail, the outcome is open, and all go on", async () => {
  const { home, store } = await newSeam("durable", { segmentBytesMax: 300 });
  await store.save("a", 0);
  const other = await startSaver(home, "durable");
  await other.ask("hold");
  assert.is((await other.ask(`save o ${"x".repeat(300)}`)).held, true);
  await store.save("a", 1);
  assert.is(segmentsOf(home).length, 2);
  await other.ask("fail");
  assert.equal(await other.ask("release"), { code: "IO", outcome: "unknown" });
  assert.is((await other.ask("save o next")).version, 1);
  await closeSaver(other);
  await assertWhole(home, store);
});

for (const call of ["publish", "syncFolder"]) {
  test(`a process that dies in the procedure, at ${call}, leaves it to the next that writes`, async () => {
    const { home, store } = await newSeam();
    await store.save("a", 0);
    const other = await startSaver(home, "buffered");
    await other.ask("hold");
    await other.ask("save o kept");
    await other.expect();
    await other.ask("save o kept-too");
    await other.ask(`die ${call}`);
    await other.ask("fail");
    other.tell("release");
    await other.ended();
    assert.is(other.process.signalCode, "SIGKILL");
    assert.is(await store.load("o:0"), "kept");
    assert.is(await store.load("o:1"), "kept-too", "a reader does it too");
    assert.is((await store.save("a", 1)).version, 1);
    await assertWhole(home, store);
  });
}

test("several processes on a disk whose syncs fail now and then: what each call was told is true", async () => {
  const milliseconds = Number(process.env.VARVE_UNSTEADY_MILLISECONDS ?? 1_500);
  const random = new Random("several processes on an unsteady disk");
  const home = newFolder();
  const programs = ["durable", "durable", "buffered"].map((durability, i) => {
    const args = [home, `p${i}`, String(milliseconds), String(random.below(2 ** 31)), durability];
    return new Program("../engine/unsteady-saver.ts", args);
  });
  for (const program of programs) await program.expect();
  for (const program of programs) program.tell("go");
  const told: Told[] = (await Promise.all(programs.map((program) => program.expect()))).flat();
  for (const program of programs) await program.end();
  const store = await openTestStore(home);
  const found = new Map<string, string>();
  for (const name of ["n0", "n1", "n2", "n3", "n4"]) {
    for (let version = 0; await store.has(`${name}:${version}`); version++)
      found.set(`${name}:${version}`, await store.load<string>(`${name}:${version}`));
  }
  const values = new Map([...found].map(([ref, value]) => [value, ref]));
  assert.is(values.size, found.size, "no value is there twice");
  for (const { value, name, version, outcome, code } of told) {
    if (outcome === "done") assert.is(found.get(`${name}:${version}`), value);
    if (outcome === "none") assert.is(values.get(value), undefined, `${code}: told that nothing was written`);
  }
  const count = (wanted: string) => told.filter(({ outcome }) => outcome === wanted).length;
  assert.ok(count("done") > 20, `${count("done")} acknowledged`);
  if (process.env.VARVE_UNSTEADY_MILLISECONDS)
    console.log(
      ["done", "unknown", "none"].map((wanted) => `${count(wanted)} ${wanted}`).join(", "),
      segmentsOf(home).length,
    );
  await assertWhole(home, store);
});

test.run();

import { rmSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore, Logger } from "../../engine/api.ts";
import type { LockTimes } from "../../engine/index/openers.ts";
import type { FileSystem, LogFile } from "../../engine/log/file.ts";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { newFolder } from "../helpers/folders.ts";
import { newestIndex } from "../helpers/indexes.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { closeAll, closeStores, openSeamStore } from "../helpers/stores.ts";

/** Files that records were moved from stay until nobody can still read in them, and go then. */
const test = suite("files that were replaced are kept for readers");
test.after.each(killPrograms);
test.after.each(closeAll);

const COUNT = 24;
const SEGMENT_BYTES = 16 * 1024;
/** Long enough for a process on a busy machine; where something is waited for in vain, a shorter time will do. */
const LONG = 15_000;
const SHORT = 400;
const OFTEN: Partial<LockTimes> = { look: 50, beat: 100 };

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const value = (i: number) => `${i} `.repeat(700);
const refs = (from = 0, to = COUNT) => Array.from({ length: to - from }, (_, i) => name(from + i));
const name = (i: number) => `n${String(i).padStart(2, "0")}:0`;

async function fill(home: string): Promise<ArtifactStore> {
  const store = await openSeamStore(home, { segmentBytesMax: SEGMENT_BYTES, times: OFTEN }, "buffered");
  for (let i = 0; i < COUNT; i++)
    await store.save(name(i).slice(0, 3), value(i), { metadata: { text: "m".repeat(300) } });
  return store;
}

/** A home of several segments that nobody has open. */
async function filledHome(): Promise<string> {
  const home = newFolder();
  await fill(home);
  await closeStores();
  return home;
}

async function reader(home: string, options: object = {}, thread = false): Promise<Program> {
  const all = { segmentBytesMax: SEGMENT_BYTES, times: OFTEN, ...options };
  const args = [home, JSON.stringify(all), ...(thread ? ["thread"] : [])];
  const program = new Program("../engine/lease-reader.ts", args);
  await program.expect();
  return program;
}

async function compactor(home: string, times: Partial<LockTimes> = {}): Promise<Program> {
  const program = new Program("../engine/lease-compactor.ts", [home, JSON.stringify(times)]);
  await program.expect();
  return program;
}

/** What it answers without an error. */
async function ask(program: Program, line: string): Promise<unknown> {
  const answer = await program.ask(line);
  assert.is(answer.code, undefined, answer.message);
  return answer.value;
}

const acknowledged = (program: Program, milliseconds: number) =>
  program.ask(`acknowledged ${milliseconds}`) as Promise<boolean>;

async function checkLoads(program: Program): Promise<void> {
  for (let i = 0; i < COUNT; i++) assert.is(await ask(program, `load ${name(i)}`), value(i), name(i));
}

for (const [who, options, thread] of [
  ["a process", {}, false],
  ["a worker thread", {}, true],
  ["a process that only reads", { readOnly: true }, false],
] as const) {
  test(`${who} that does nothing goes along; while it lists, the files stay`, async () => {
    const home = await filledHome();
    const idle = await reader(home, options, thread);
    await checkLoads(idle);
    const moving = await compactor(home);
    await moving.ask("compact");
    assert.ok(await acknowledged(moving, LONG));
    assert.ok((await moving.ask("retire")) > 1);
    await checkLoads(idle);
    await checkNext(idle, "list n*", 0);
    await moving.ask("compact");
    assert.not(await acknowledged(moving, SHORT));
    await checkNext(idle, "next", 1);
    await ask(idle, "leave");
    assert.ok(await acknowledged(moving, LONG));
    await moving.ask("retire");
    await ask(idle, "list n*");
    assert.equal(await ask(idle, "rest"), refs(1));
  });
}

test("a store that a process has open several times goes along as a whole, by every handle", async () => {
  const home = newFolder();
  const [first, second] = [await fill(home), await openSeamStore(home, { times: OFTEN })];
  const readOnly = await openSeamStore(home, { readOnly: true, times: OFTEN });
  const stores = [first, second, readOnly];
  const moving = await compactor(home);
  for (const listing of stores) {
    const list = listing.list({ name: "n*" })[Symbol.asyncIterator]();
    await list.next();
    await moving.ask("compact");
    assert.not(await acknowledged(moving, SHORT));
    await list.return?.();
    assert.ok(await acknowledged(moving, LONG));
    await moving.ask("retire");
  }
  for (const store of stores)
    for (let i = 0; i < COUNT; i++) assert.is(await store.load(name(i)), value(i), name(i));
});

/** The next of a list, all of it. */
async function checkNext(program: Program, line: string, i: number): Promise<void> {
  assert.equal(await ask(program, line), [name(i), value(i), 1]);
}

test("a process that lists is not waited for any more once it is closed, or killed", async () => {
  const home = await filledHome();
  const moving = await compactor(home);
  const [killed, closed] = [await reader(home), await reader(home, { readOnly: true })];
  for (const listing of [killed, closed]) await ask(listing, "list n*");
  await moving.ask("compact");
  assert.not(await acknowledged(moving, SHORT));
  await killed.kill();
  assert.not(await acknowledged(moving, SHORT));
  await ask(closed, "leave");
  await ask(closed, "close");
  assert.ok(await acknowledged(moving, LONG));
});

/** Not while it has the lock. */
async function stop(program: Program, other: Program): Promise<void> {
  program.process.kill("SIGSTOP");
  while (!(await other.ask("free"))) {
    program.process.kill("SIGCONT");
    await pause(30);
    program.process.kill("SIGSTOP");
  }
}

/** Stops it until it is taken for gone, and what it still needs is removed. */
async function moveUnderStopped(stopped: Program, home: string, how = ""): Promise<Program> {
  const moving = await compactor(home, { silenceMax: 1_500 });
  await stop(stopped, moving);
  await moving.ask(`compact ${how}`);
  assert.ok(await acknowledged(moving, LONG), "it is taken for gone");
  assert.ok((await moving.ask("retire")) > 1);
  return moving;
}

for (const readOnly of [false, true]) {
  const who = readOnly ? "a reader" : "a process";
  test(`${who} that was stopped so long that files went goes on with its list, loads the right values, and is waited for again`, async () => {
    const home = await filledHome();
    const stopped = await reader(home, { readOnly });
    await ask(stopped, "list n*");
    const moving = await moveUnderStopped(stopped, home, "forgotten");
    stopped.process.kill("SIGCONT");
    assert.equal(await ask(stopped, "rest"), refs(1));
    assert.ok(await acknowledged(moving, LONG));
    await checkLoads(stopped);
    await ask(stopped, "list n*");
    await pause(SHORT);
    await moving.ask("compact");
    assert.not(await acknowledged(moving, SHORT));
    assert.equal(await ask(stopped, "rest"), refs(1));
  });
}

for (const readOnly of [false, true]) {
  test(`${readOnly ? "a reader" : "a process"} that was stopped goes on with its list too where the index was made anew as well`, async () => {
    const home = await filledHome();
    const stopped = await reader(home, { readOnly });
    await ask(stopped, "list n*");
    await moveUnderStopped(stopped, home);
    await (await openSeamStore(home, { times: OFTEN })).rebuildIndex();
    stopped.process.kill("SIGCONT");
    // At once: its signs of life are overdue, and wait for the lock, when it reads on.
    assert.equal(await ask(stopped, "rest"), refs(1));
    await checkLoads(stopped);
  });
}

for (const readOnly of [false, true]) {
  test(`${readOnly ? "a reader" : "a process"} that does nothing goes along too where the index was made anew first`, async () => {
    const home = await filledHome();
    const idle = await reader(home, { readOnly });
    await ask(idle, `load ${name(3)}`);
    const other = await openSeamStore(home, { times: OFTEN });
    await other.rebuildIndex();
    const moving = await compactor(home);
    await moving.ask("compact");
    assert.ok(await acknowledged(moving, LONG));
    await moving.ask("retire");
    await checkLoads(idle);
  });
}

test("a list whose next artifact was written again, or deleted and dropped, while its process was stopped is UNAVAILABLE", async () => {
  for (const change of ["annotate", "delete"] as const) {
    const home = await filledHome();
    const listing = await reader(home);
    await checkNext(listing, "list n*", 0);
    const store = await openSeamStore(home, { times: OFTEN });
    if (change === "annotate") await store.annotate(await store.get(name(1)), { metadata: { text: "x" } });
    else await store.delete(name(1));
    await closeStores();
    await moveUnderStopped(listing, home);
    listing.process.kill("SIGCONT");
    const answer = await listing.ask("next");
    assert.is(answer.code, "UNAVAILABLE", JSON.stringify(answer));
    await checkNext(listing, "list n*", 0);
  }
});

test("an artifact in hand whose value was deleted and dropped is NOT_FOUND, and its neighbours are read", async () => {
  const home = newFolder();
  const store = await fill(home);
  const [gone, kept] = [await store.get(name(1)), await store.get(name(2))];
  await store.delete(name(1));
  const moving = await compactor(home);
  await moving.ask("compact forgotten");
  assert.ok(await acknowledged(moving, LONG));
  await moving.ask("retire");
  assert.is(await gone.value().catch(({ code }) => code), "NOT_FOUND");
  assert.is(await kept.value(), value(2));
});

test("a store that is read with an index of its own begins anew when files have gone, its last one included", async () => {
  const home = await filledHome();
  rmSync(join(newestIndex(home), "trust.json"));
  const warnings: string[] = [];
  const logger = { warn: (message: string) => void warnings.push(message) } as unknown as Logger;
  const store = await openSeamStore(home, { readOnly: true, logger });
  assert.is(await store.load(name(1)), value(1));
  const moving = await compactor(home);
  for (const round of ["some", "the one that it had come to"]) {
    const writer = await openSeamStore(home, { segmentBytesMax: SEGMENT_BYTES, times: OFTEN }, "buffered");
    for (let i = 0; i < (round === "some" ? 1 : COUNT); i++) await writer.save("new", value(i));
    await moving.ask("compact");
    assert.ok(await acknowledged(moving, LONG), "it is not waited for");
    await moving.ask("retire");
    for (let i = 0; i < COUNT; i++) assert.is(await store.load(name(i)), value(i), name(i));
    assert.is(await store.load("new"), await writer.load("new"));
    await writer.close();
  }
  assert.equal(warnings, []);
});

test("an index that names files from before they were replaced is made anew by who meets it", async () => {
  const home = newFolder();
  const store = await fill(home);
  const before = newestIndex(home);
  const moving = await compactor(home);
  for (const meet of ["get", "load"] as const) {
    await moving.ask("compact unmoved");
    await moving.ask("retire");
    assert.ok(await store[meet](name(1)));
    for (let i = 0; i < COUNT; i++) assert.is(await store.load(name(i)), value(i), name(i));
  }
  assert.is.not(newestIndex(home), before);
});

test("a reader that goes on with an index of its own is not waited for", async () => {
  const home = await filledHome();
  const store = await openSeamStore(home, { readOnly: true, times: OFTEN });
  const moving = await compactor(home);
  await moving.ask("compact unmoved");
  await moving.ask("retire");
  for (let i = 0; i < COUNT; i++) assert.is(await store.load(name(i)), value(i), name(i));
  const list = store.list({ name: "n*" })[Symbol.asyncIterator]();
  await list.next();
  await (await openSeamStore(home, { times: OFTEN })).rebuildIndex();
  await moving.ask("compact");
  assert.ok(await acknowledged(moving, LONG));
  await moving.ask("retire");
  for (let i = 0; i < COUNT; i++) assert.is(await store.load(name(i)), value(i), name(i));
});

/** A file system on which the first large read waits until it is told to go on. */
function holdingReads(): { files: FileSystem; reached: Promise<void>; goOn: () => void } {
  let [goOn, reach] = [() => {}, () => {}];
  const held = new Promise<void>((resolve) => (goOn = resolve));
  const reached = new Promise<void>((resolve) => (reach = resolve));
  const open: FileSystem["open"] = (path, mode) => {
    const file = nodeFileSystem.open(path, mode);
    const readAsync: LogFile["readAsync"] = async (into, position) => {
      reach();
      await held;
      return file.readAsync(into, position);
    };
    return new Proxy(file, {
      get: (target, key) => {
        if (key === "readAsync") return readAsync;
        const found = Reflect.get(target, key);
        return typeof found === "function" ? found.bind(target) : found;
      },
    });
  };
  return { files: { ...nodeFileSystem, open }, reached, goOn };
}

test("a large value that is being read is not waited for, and comes from the file that is gone", async () => {
  const home = newFolder();
  const store = await fill(home);
  await store.save("large", Buffer.alloc(200_000, 7));
  for (let i = 0; i < COUNT; i++) await store.save(`behind${i}`, value(i));
  await closeStores();
  const { files, reached, goOn } = holdingReads();
  const reading = await openSeamStore(home, { files, times: OFTEN });
  const loading = reading.load<Uint8Array>("large");
  await reached;
  const moving = await compactor(home);
  await moving.ask("compact");
  assert.ok(await acknowledged(moving, LONG));
  await moving.ask("retire");
  goOn();
  assert.is(
    (await loading).every((byte) => byte === 7),
    true,
  );
  assert.is((await reading.load<Uint8Array>("large")).length, 200_000);
});

test.run();

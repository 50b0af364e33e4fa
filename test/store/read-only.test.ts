import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { failureWithHint } from "../helpers/errors.ts";
import { copyHome, filesUnder, fingerprint, newFolder } from "../helpers/folders.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { closeAll, openSeamStore, openTestStore } from "../helpers/stores.ts";

const test = suite("read-only");
/** Private indexes are counted: those of others are elsewhere. */
const { TMPDIR } = process.env;
test.before.each(() => {
  const folder = newFolder();
  chmodSync(folder, 0o1777);
  process.env.TMPDIR = folder;
});
test.after.each(killPrograms);
test.after.each(closeAll);
test.after.each(() => {
  if (TMPDIR === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = TMPDIR;
});

const program = "../store/reader-program.ts";
/** Readers enter themselves in the lock file of LMDB, and among those that have the store open: that alone may change. */
const LOCK_FILES = /lock\.mdb$|\/state-[^/]*\/data\.mdb$/;
const NOBODY = 65_534;

async function filledHome(folder = newFolder()): Promise<string> {
  const home = join(folder, "home");
  const store = await openTestStore(home);
  await store.save("small", { x: 1 });
  await store.save("large", Buffer.alloc(200_000, 7));
  await store.save("small", { x: 2 }, { code: "c".repeat(2000), tags: { a: "b" } });
  await store.setAlias("small", "first", 0);
  await store.close();
  return home;
}

function privateIndexes(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith("varve-index-"));
}

test("everything can be read and nothing be changed", async () => {
  const home = await filledHome();
  const store = await openTestStore(home, { readOnly: true });
  assert.is(store.readOnly, true);
  assert.equal(await store.load("small"), { x: 2 });
  assert.equal(await store.load("small@first"), { x: 1 });
  assert.is((await store.load<Uint8Array>("large")).length, 200_000);
  assert.is((await store.get("small")).code!.sources[0]!.text.length, 2000);
  assert.is((await store.stats()).versions, 3);
  assert.ok((await store.verify({ full: true })).ok);
  const artifact = await store.get("small");
  const calls = [
    store.save("small", 1),
    store.delete("small:0"),
    store.undelete("small:0"),
    store.setAlias("small", "x", 0),
    store.deleteAlias("small", "first"),
    store.annotate(artifact, { tags: { a: "c" } }),
    store.batch((batch) => void batch.save("a", 1)),
    store.batch(() => {}),
    store.rebuildIndex(),
    store.repair(),
    store.prune({ keepLast: 1 }),
    store.compact(),
  ];
  for (const call of calls) await failureWithHint(call, "READ_ONLY");
  assert.is(
    (await store.prune({ keepLast: 1 }, { dryRun: true })).versions.length,
    0,
    "small:0 has an alias",
  );
  assert.is((await store.compact({ dryRun: true })).freedBytes, 0);
});

for (const [what, prepare] of [
  ["as it was left", (home: string) => home],
  ["copied", copyHome],
  ["that everybody may read", (home: string) => withModes(home, 0o644)],
  ["without an index", (home: string) => removed(home, /^index-/)],
  ["without locks", (home: string) => removed(home, /^lock$/)],
  ["with a log and nothing else", (home: string) => removed(home, /^(?!log$)/)],
  ["with a mark that is cut off", (home: string) => withMark(home, '{"bootId":')],
  [
    "with an index of another boot",
    (home: string) => withMark(home, '{"bootId":"other","device":1,"inode":2}'),
  ],
] as const) {
  test(`a home ${what} is read, and nothing is written inside it`, async () => {
    const home = prepare(await filledHome());
    const before = fingerprint(home, LOCK_FILES);
    const indexes = privateIndexes();
    const store = await openTestStore(home, { readOnly: true });
    assert.equal(await store.load("small"), { x: 2 });
    assert.is((await store.load<Uint8Array>("large")).length, 200_000);
    assert.equal(await store.aliases("small"), { first: 0 });
    const listed: string[] = [];
    for await (const { ref } of store.list()) listed.push(ref);
    assert.equal(listed, ["large:0", "small:1"]);
    await store.stats();
    await store.verify();
    await store.close();
    assert.equal(fingerprint(home, LOCK_FILES), before);
    assert.equal(privateIndexes(), indexes, "the private index is removed");
  });
}

function removed(home: string, names: RegExp): string {
  for (const name of readdirSync(home)) if (names.test(name)) rmSync(join(home, name), { recursive: true });
  return home;
}

/** As it is when it was put back by a program that keeps no modes. */
function withModes(home: string, mode: number): string {
  for (const file of filesUnder(home)) chmodSync(file, mode);
  return home;
}

function withMark(home: string, text: string): string {
  const folder = readdirSync(home).find((name) => name.startsWith("index-"))!;
  writeFileSync(join(home, folder, "trust.json"), text);
  return home;
}

test("a home whose opening fails leaves no private index behind", async () => {
  const home = removed(await filledHome(), /^(?!log$)/);
  const path = join(home, "log", "0000000001.varve");
  writeFileSync(path, Buffer.alloc(500));
  const indexes = privateIndexes();
  await failureWithHint(openTestStore(home, { readOnly: true }), "CORRUPTION");
  assert.equal(privateIndexes(), indexes);
});

for (const [what, names] of [
  ["the index in the home", /^$/],
  ["a private index", /^(?!log$)/],
] as const) {
  test(`with ${what}, saves of a writer are seen`, async () => {
    const home = removed(await filledHome(), names);
    // Opened before the writer, so that the private index is not given up for the writer's.
    const reader = await openTestStore(home, { readOnly: true });
    const writer = await openSeamStore(home, { segmentBytesMax: 1000 });
    for (let i = 0; i < 30; i++) {
      await writer.save("growing", { i });
      assert.equal(await reader.load("growing"), { i });
    }
    await writer.delete("growing:29");
    assert.equal(await reader.load("growing"), { i: 28 });
    await writer.rebuildIndex();
    await writer.save("after", 1);
    assert.is(await reader.load("after"), 1);
    assert.equal(await reader.load("growing:3"), { i: 3 });
  });
}

test("another user who may only read opens it read-only, and not for writing", async () => {
  const folder = newFolder();
  chmodSync(folder, 0o755);
  const home = await filledHome(folder);
  execFileSync("chmod", ["-R", "a+rX", home]);
  const before = fingerprint(home);
  const reader = new Program(program, [home, '{"readOnly":true}', "small", "large"], { uid: NOBODY });
  const { values, listed, saved } = await reader.expect();
  assert.equal(values[0], { x: 2 });
  assert.equal(listed, ["large:0", "small:1"]);
  assert.is(saved.code, "READ_ONLY");
  await reader.end();
  const writer = new Program(program, [home, "{}"], { uid: NOBODY });
  const { failed } = await writer.expect();
  assert.is(failed.name, "VarveError");
  assert.is(failed.code, "IO");
  assert.match(failed.message, /EACCES|ermission/);
  await writer.end();
  assert.equal(fingerprint(home), before);
});

test("a folder that another user can't make a store in is IO", async () => {
  const folder = newFolder();
  chmodSync(folder, 0o755);
  const writer = new Program(program, [join(folder, "home"), "{}"], { uid: NOBODY });
  const { failed } = await writer.expect();
  assert.equal([failed.name, failed.code], ["VarveError", "IO"]);
  await writer.end();
  assert.not(existsSync(join(folder, "home")));
});

test("another user who may not read is told so", async () => {
  const folder = newFolder();
  chmodSync(folder, 0o755);
  const home = await filledHome(folder);
  for (const options of ["{}", '{"readOnly":true}']) {
    const reader = new Program(program, [home, options], { uid: NOBODY });
    const { failed } = await reader.expect();
    assert.is(failed.name, "VarveError");
    await reader.end();
  }
});

test("a user of a home of their own works", async () => {
  const folder = newFolder();
  chmodSync(folder, 0o755);
  chownSync(folder, NOBODY, NOBODY);
  const writer = new Program(program, [join(folder, "home"), "{}"], { uid: NOBODY });
  assert.equal((await writer.expect()).saved, { ref: "new:0" });
  await writer.end();
});

const mountable = spawnSync("unshare", ["-Urm", "true"]).status === 0;
if (!mountable)
  console.log("read-only: skipped: a home on a disk that is mounted read-only (unshare is refused)");
(mountable ? test : test.skip)("a home on a disk that is mounted read-only can be read", async () => {
  const home = await filledHome();
  const mounted = [
    "unshare",
    "-Urm",
    "sh",
    "-c",
    'mount --bind -o ro "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"',
    home,
  ];
  const reader = new Program(program, [home, '{"readOnly":true}', "small", "small@first"], {
    under: mounted,
  });
  const { values, saved } = await reader.expect();
  assert.equal(values, [{ x: 2 }, { x: 1 }]);
  assert.is(saved.code, "READ_ONLY");
  await reader.end();
  const writer = new Program(program, [home, "{}"], { under: mounted });
  const { failed } = await writer.expect();
  assert.is(failed.name, "VarveError");
  assert.is(failed.code, "IO");
  await writer.end();
});

test.run();

import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { versionKey } from "../../engine/artifact-key.ts";
import { Environment } from "../../engine/index/lmdb.ts";
import { segmentsOf } from "../helpers/damage.ts";
import { WatchedFiles } from "../helpers/files.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { newestIndex, placeOf } from "../helpers/indexes.ts";
import { killPrograms } from "../helpers/processes.ts";
import { closeAll, openSeamStore, openTestStore } from "../helpers/stores.ts";
import { answers, filledHome } from "./recovery-support.ts";

/** An index is only believed when it is that of this home, and has what the log has. */
const test = suite("which index is trusted");
test.after.each(killPrograms);
test.after.each(closeAll);

for (const [what, spoil] of [
  ["of another boot", (home: string) => changeMark(home, { bootId: "another" })],
  ["of another inode", (home: string) => changeMark(home, { inode: 1 })],
  ["of another device", (home: string) => changeMark(home, { device: 1 })],
  ["without a mark", (home: string) => rmSync(join(newestIndex(home), "trust.json"))],
  [
    "with a mark that is cut off",
    (home: string) => writeFileSync(join(newestIndex(home), "trust.json"), '{"boo'),
  ],
  ["that is empty", (home: string) => writeFileSync(join(newestIndex(home), "data.mdb"), "")],
  ["that is gone", (home: string) => rmSync(newestIndex(home), { recursive: true })],
] as const) {
  for (const boot of ["the same boot", "a new boot"]) {
    test(`an index ${what} is made anew in ${boot}, with the same answers`, async () => {
      const home = await filledHome();
      const right = await answers(await openTestStore(copyHome(home)));
      spoil(home);
      if (boot === "a new boot") rmSync(join(home, "lock"), { recursive: true });
      const store = await openTestStore(home);
      assert.equal(await answers(store), right);
      assert.is((await store.save("n0", 1)).version, 8);
      assert.is(readdirSync(home).filter((name) => name.startsWith("index-")).length, 1);
    });
  }
}

/** The mark of an index that was not closed in order. */
function changeMark(home: string, change: object): void {
  const path = join(newestIndex(home), "trust.json");
  const { clean, ...mark } = JSON.parse(readFileSync(path, "utf8"));
  const kept = "bootId" in change ? {} : { clean };
  writeFileSync(path, JSON.stringify({ ...mark, ...kept, ...change }));
}

test("an index of another boot that was not closed in order is not believed, whatever it says", async () => {
  // Where the lock is left, its state names the index, and nothing but the mark tells.
  for (const left of ["the lock is left", "no lock is left"]) {
    const home = await filledHome();
    const right = await answers(await openTestStore(copyHome(home)));
    const environment = new Environment(newestIndex(home));
    environment.transactSync(() => environment.remove(versionKey("n0", 7)));
    await environment.close();
    changeMark(home, { bootId: "another" });
    if (left === "no lock is left") rmSync(join(home, "lock"), { recursive: true });
    const store = await openTestStore(home);
    assert.equal(await answers(store), right, left);
  }
});

test("an index is not called clean any more before it is written to, and again when the last one leaves", async () => {
  const home = await filledHome();
  const mark = () => JSON.parse(readFileSync(join(newestIndex(home), "trust.json"), "utf8"));
  assert.ok(mark().clean);
  const store = await openTestStore(home);
  await store.load("n0");
  assert.ok(mark().clean, "reading changes nothing");
  const files = new WatchedFiles();
  await store.close();
  const writing = await openSeamStore(home, { files });
  let cleanAtAppend: unknown;
  files.onAppend = (pieces, write) => {
    cleanAtAppend = mark().clean;
    write(pieces);
  };
  await writing.save("n0", 1);
  assert.is(cleanAtAppend, undefined);
  assert.is(mark().clean, undefined);
  const { sequence } = await writing.stats();
  await writing.close();
  assert.is(mark().clean.sequence, sequence);
});

test("an index of an older copy of the home is not trusted", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  await store.save("a", 1);
  await store.close();
  const older = newFolder();
  cpSync(home, older, { recursive: true });
  const again = await openTestStore(home);
  await again.save("a", 2);
  await again.close();
  const folder = newestIndex(home);
  rmSync(folder, { recursive: true });
  cpSync(newestIndex(older), folder, { recursive: true });
  // The copy may get the very inode that the old one had; it was born later all the same.
  claimOwn(home, false);
  const mixed = await openTestStore(home);
  assert.is(await mixed.load("a"), 2);
  assert.is((await mixed.save("a", 3)).version, 2);
});

test("a log put back from an older copy is not read through the newer index", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  await store.save("a", 1);
  await store.close();
  const older = readFileSync(segmentsOf(home)[0]!);
  const again = await openTestStore(home);
  await again.save("a", 2);
  await again.close();
  writeFileSync(segmentsOf(home)[0]!, older);
  rmSync(join(home, "lock"), { recursive: true });
  const restored = await openTestStore(home);
  assert.is(await restored.load("a"), 1);
  assert.is((await restored.stats()).versions, 1);
});

test("after a clean close a new boot reads almost nothing of the log", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  await store.batch((batch) => {
    for (let i = 0; i < 2000; i++) batch.save(`n/${i}`, { i, text: "x".repeat(500) });
  });
  await store.close();
  rmSync(join(home, "lock"), { recursive: true });
  changeBoot(home);
  const files = new WatchedFiles();
  const again = await openSeamStore(home, { files });
  assert.equal(await again.load("n/1999"), { i: 1999, text: "x".repeat(500) });
  assert.ok(files.counts.readBytes < 10_000, `${files.counts.readBytes} bytes`);
  await again.save("n/1", 1);
  await again.close();
  assert.is((await (await openTestStore(home)).get("n/1")).version, 1);
});

/** As if the mark had been written in an earlier boot. */
function changeBoot(home: string): void {
  const path = join(newestIndex(home), "trust.json");
  const mark = JSON.parse(readFileSync(path, "utf8"));
  assert.ok(mark.clean, "closed in order");
  writeFileSync(path, JSON.stringify({ ...mark, bootId: "another" }));
}

test("after a clean close, what the log got since is found by a new boot", async () => {
  const home = await filledHome();
  const older = newFolder();
  cpSync(home, older, { recursive: true });
  const store = await openTestStore(home);
  await store.save("later", 1);
  const right = await answers(store);
  await store.close();
  // The log of now, with the cleanly closed index of before, which an honest mark belongs to.
  cpSync(join(home, "log"), join(older, "log"), { recursive: true });
  rmSync(join(older, "lock"), { recursive: true });
  claimOwn(older);
  assert.equal(await answers(await openTestStore(older)), right);
});

/** The mark of a copied index, as if it had been made where it is. */
function claimOwn(home: string, bornToo = true): void {
  const path = join(newestIndex(home), "trust.json");
  const mark = JSON.parse(readFileSync(path, "utf8"));
  const { born, ...place } = placeOf(newestIndex(home));
  writeFileSync(path, JSON.stringify({ ...mark, ...place, ...(bornToo && { born }) }));
}

test("a home put back in the place of the old one from a copy taken while it was written to is not trusted", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  for (let i = 0; i < 50; i++) await store.save("a", i);
  const copied = copyHome(home);
  await store.close();
  for (let round = 0; round < 3; round++) {
    rmSync(home, { recursive: true });
    cpSync(copied, home, { recursive: true });
    // What a copy under load looks like: an index that does not have all of the log.
    const again = await openTestStore(home);
    assert.is((await again.save("a", "new")).version, 50, `round ${round}`);
    assert.is((await again.stats()).versions, 51);
    await again.close();
  }
});

test.run();

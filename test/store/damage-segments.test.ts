import { copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { decodeSegmentHeader, encodeSegmentHeader, FORMAT_VERSION } from "../../engine/log/format.ts";
import { cutFile, flipByte, marked, segmentsOf, sizeOf } from "../helpers/damage.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { closeAll, openTestStore } from "../helpers/stores.ts";
import { filledHome, usableBut } from "./damage-support.ts";

/** Segments that are cut, gone, beheaded, or do not belong here. */
const test = suite("damage: whole segments");
test.after.each(closeAll);

test("a truncated segment loses what was cut, tells so, and the rest goes on", async () => {
  const home = await filledHome(1500);
  const segments = segmentsOf(home);
  assert.ok(segments.length >= 3);
  const first = segments[0]!;
  cutFile(first, sizeOf(first) - 100);
  const store = await openTestStore(home);
  const lost: number[] = [];
  for (let n = 0; n < 10; n++) {
    const value = await store.load(`n/${n}`).catch((error) => error.code);
    if (value !== marked(n)) {
      assert.is(value, "CORRUPTION");
      lost.push(n);
    }
  }
  assert.is(lost.length, 0 + (lost.length > 0 ? 1 : 0), `only the last of the segment: ${lost}`);
  assert.is((await store.verify()).ok, false);
  await store.save("later", 1);
  await store.close();
  const copy = await openTestStore(copyHome(home));
  assert.is(await copy.load("later"), 1);
  for (let n = 3; n < 10; n++) assert.is(await copy.load(`n/${n}`), marked(n));
});

test("a truncated newest segment is never overwritten, and its loss is told", async () => {
  const home = await filledHome();
  const [segment] = segmentsOf(home);
  cutFile(segment!, sizeOf(segment!) - 100);
  const before = readFileSync(segment!);
  const store = await openTestStore(home);
  await failureWithHint(store.load("n/9"), "CORRUPTION").catch(async () => {
    // The last bytes may be those of the record behind the value.
    assert.is(await store.load("n/9"), marked(9));
  });
  assert.is((await store.verify()).ok, false);
  assert.is((await store.save("later", 1)).version, 0);
  assert.is(await store.load("later"), 1);
  for (let n = 0; n < 9; n++) assert.is(await store.load(`n/${n}`), marked(n));
  assert.equal(readFileSync(segment!), before);
  await store.close();
  const again = await openTestStore(home);
  assert.is(await again.load("later"), 1);
  await again.rebuildIndex();
  assert.is(await again.load("later"), 1);
  assert.is(await again.load("n/8"), marked(8));
});

test("a missing segment is CORRUPTION for what lay in it, and the rest goes on", async () => {
  const home = await filledHome(1500);
  const segments = segmentsOf(home);
  const kept = join(newFolder(), "kept");
  renameSync(segments[1]!, kept);
  const store = await openTestStore(home);
  const lost: number[] = [];
  for (let n = 0; n < 10; n++) {
    const value = await store.load(`n/${n}`).catch((error) => error.code);
    if (value === "CORRUPTION") lost.push(n);
    else assert.is(value, marked(n));
  }
  assert.ok(lost.length > 0 && lost.length < 6, `${lost}`);
  assert.is((await store.verify()).ok, false);
  assert.is((await store.save("later", 1)).version, 0);
  await store.close();
  const copy = await openTestStore(copyHome(home));
  for (let n = 0; n < 10; n++) if (!lost.includes(n)) assert.is(await copy.load(`n/${n}`), marked(n));
  await copy.close();
  renameSync(kept, segments[1]!);
  const whole = await openTestStore(home);
  for (let n = 0; n < 10; n++) assert.is(await whole.load(`n/${n}`), marked(n));
  assert.ok((await whole.verify()).ok);
});

test("a missing newest segment is told, and a new one takes the next number", async () => {
  const home = await filledHome(1500);
  const last = segmentsOf(home).at(-1)!;
  rmSync(last);
  const store = await openTestStore(home);
  assert.is((await store.verify()).ok, false);
  await store.save("later", 1);
  assert.is(await store.load("later"), 1);
  assert.is(await store.load("n/0"), marked(0));
});

test("a foreign file in the log is reported and left alone", async () => {
  const home = await filledHome();
  const other = await filledHome();
  const foreign = join(home, "log", "0000000002.varve");
  copyFileSync(segmentsOf(other)[0]!, foreign);
  const bytes = readFileSync(foreign);
  const store = await openTestStore(home);
  await usableBut(store, []);
  assert.is((await store.verify()).ok, false);
  assert.equal(readFileSync(foreign), bytes);
  await store.close();
  const copy = await openTestStore(copyHome(home));
  await usableBut(copy, []);
  await copy.close();
  const again = await openTestStore(home);
  await again.rebuildIndex();
  await usableBut(again, []);
});

test("a segment of the same store under a wrong number is not taken for one of the log", async () => {
  const home = await filledHome();
  copyFileSync(segmentsOf(home)[0]!, join(home, "log", "0000000002.varve"));
  const store = await openTestStore(home);
  await store.rebuildIndex();
  await usableBut(store, []);
  assert.is((await store.stats()).versions, 11);
});

test("something that only looks like a segment by its name is reported", async () => {
  const home = await filledHome();
  copyFileSync(segmentsOf(home)[0]!, join(home, "log", "0000000003.varve"));
  writeFileSync(join(home, "log", "0000000007.varve"), "notes");
  writeFileSync(join(home, "log", "notes.varve"), "notes");
  const store = await openTestStore(home);
  await usableBut(store, []);
  const report = await store.verify();
  assert.is(report.ok, false);
  await store.close();
  await usableBut(await openTestStore(copyHome(home)), []);
});

test("a segment of a newer format is NOT_SUPPORTED, and nothing is changed", async () => {
  const home = copyHome(await filledHome());
  const segment = segmentsOf(home)[0]!;
  const bytes = readFileSync(segment);
  const header = decodeSegmentHeader(bytes, segment);
  encodeSegmentHeader({ ...header, formatVersion: FORMAT_VERSION + 1 }).copy(bytes, 0);
  writeFileSync(segment, bytes);
  for (const readOnly of [false, true]) {
    const error = await failureWithHint(openTestStore(home, { readOnly }), "NOT_SUPPORTED");
    assert.match(error.message, "newer");
  }
  assert.equal(readFileSync(segment), bytes);
});

test("a log without any readable header is CORRUPTION, and nothing new is begun over it", async () => {
  const home = copyHome(await filledHome());
  const segment = segmentsOf(home)[0]!;
  flipByte(segment, 3);
  const bytes = readFileSync(segment);
  for (const readOnly of [false, true])
    await failureWithHint(openTestStore(home, { readOnly }), "CORRUPTION");
  assert.equal(readFileSync(segment), bytes);
  assert.is(segmentsOf(home).length, 1);
});

test("a damaged header of one of several segments hides only what is in it", async () => {
  const home = copyHome(await filledHome(1500));
  const segments = segmentsOf(home);
  flipByte(segments[1]!, 20);
  const store = await openTestStore(home);
  assert.is(await store.load("n/0"), marked(0));
  assert.is(await store.load("n/9"), marked(9));
  assert.is((await store.verify()).ok, false);
  await store.save("later", 1);
  assert.is(await store.load("later"), 1);
});

test("a first segment whose header is damaged does not make the store another one", async () => {
  const home = copyHome(await filledHome(1500));
  const { id } = await openTestStore(home);
  await closeAllBut(home);
  flipByte(segmentsOf(home)[0]!, 20);
  const store = await openTestStore(copyHome(home));
  assert.is(store.id, id);
  assert.is(await store.load("n/9"), marked(9));
});

/** Closes the store of `home`, keeping its folder. */
async function closeAllBut(home: string): Promise<void> {
  const store = await openTestStore(home);
  await store.close();
}

test.run();

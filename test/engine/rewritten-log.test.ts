import { cpSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { segmentPath } from "../../engine/log/segment.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { deadBlobs, rewriteSegments, withoutBlobs } from "../helpers/rewriting.ts";
import { closeAll, openTestStore } from "../helpers/stores.ts";
import {
  fill,
  idsOf,
  isWhole,
  LEFT,
  logOf,
  logOnly,
  marked,
  NAMES,
  newHome,
  openSmall,
  rewrite,
  stateOf,
} from "./rewritten-log-support.ts";

const test = suite("stores with rewritten segments");
test.after.each(closeAll);

test("the state is that of the log that was not rewritten, from the log, after a rebuild, and when read-only", async () => {
  const home = await newHome();
  const store = await openSmall(home);
  const expected = await stateOf(store);
  await store.close();
  const sealed = idsOf(home).length - 1;
  assert.ok(sealed >= 5, `${sealed}`);
  for (const runs of [
    [[0, sealed]],
    [[1, 3]],
    [
      [0, 1],
      [1, 2],
      [2, sealed],
    ],
  ] as [number, number][][]) {
    const rewritten = copyHome(home);
    await rewrite(rewritten, runs);
    for (const readOnly of [true, false]) {
      const opened = await openTestStore(logOnly(rewritten), { readOnly });
      assert.equal(await stateOf(opened), expected);
      await isWhole(opened);
      if (readOnly) continue;
      await opened.rebuildIndex();
      assert.equal(await stateOf(opened), expected);
      assert.is((await opened.save("n/0", 1)).version, 2);
      await isWhole(opened);
    }
  }
});

test("saving goes on, and what was deleted stays so", async () => {
  const home = await newHome();
  await rewrite(home, [[0, idsOf(home).length - 1]]);
  const copy = logOnly(home);
  const store = await openSmall(copy);
  for (let n = 0; n < NAMES; n++) await store.save(`n/${n}`, marked(n, 7));
  assert.is(await store.load("n/4:1"), marked(4, 7));
  await failureWithHint(store.load("n/4:0"), "NOT_FOUND");
  await isWhole(store);
  const expected = await stateOf(store);
  await store.close();
  // Once more, with what is rewritten already.
  await rewrite(copy, [[0, idsOf(copy).length - 1]]);
  assert.is(idsOf(copy).length, 2);
  const again = await openTestStore(logOnly(copy));
  assert.equal(await stateOf(again), expected);
  await isWhole(again);
});

test("a segment that was rewritten while what it took the place of is there", async () => {
  const home = await newHome();
  const log = logOf(home);
  const ids = idsOf(home).slice(0, -1);
  await rewriteSegments(log, ids, { keeps: withoutBlobs(...deadBlobs(log)), originals: "kept" });
  for (const id of ids) writeFileSync(segmentPath(log, id), "nobody looks at it");
  const store = await openTestStore(logOnly(home));
  for (const n of LEFT) assert.is(await store.load(`n/${n}:0`), marked(n));
  await isWhole(store);
});

test("an index that has the log up to somewhere is brought up to the end, wherever segments were rewritten", async () => {
  for (const where of ["behind it", "in it", "at its end"] as const) {
    const home = newFolder();
    const early = await openSmall(home);
    for (let n = 0; n < NAMES; n++) await early.save(`early/${n}`, marked(n));
    await early.close();
    const known = idsOf(home).length;
    const copy = copyHome(home);
    const late = await openSmall(copy);
    await fill(late);
    const expected = await stateOf(late);
    await late.close();
    const log = logOf(copy);
    const ids = idsOf(copy);
    const run = {
      "behind it": ids.slice(known, -1),
      "in it": ids.slice(1, 3),
      "at its end": ids.slice(known - 2, -1),
    };
    await rewriteSegments(log, run[where], { keeps: withoutBlobs(...deadBlobs(log)) });
    // The index that was closed in order meets that log after a reboot.
    rmSync(logOf(home), { recursive: true });
    cpSync(log, logOf(home), { recursive: true });
    rmSync(join(home, "lock"), { recursive: true });
    const store = await openTestStore(home);
    assert.equal(await stateOf(store), expected, where);
    await isWhole(store);
    assert.is((await store.save("early/0", 1)).version, 1);
  }
});

test("verify in parts goes on where it was when segments are rewritten in between", async () => {
  const home = await newHome();
  const copy = logOnly(home);
  const store = await openTestStore(copy, { readOnly: true });
  const first = await store.verify({ timeBudget: 0, full: true });
  assert.is(first.complete, false);
  await rewrite(copy, [[0, 3]]);
  const problems = [];
  let next = first.next;
  for (let part = 0; next && part < 1000; part++) {
    const report = await (await openTestStore(copy, { readOnly: true })).verify({
      timeBudget: 0,
      after: next,
    });
    problems.push(...report.problems);
    next = report.next;
  }
  assert.equal(problems, []);
  assert.is(next, undefined);
});

test.run();

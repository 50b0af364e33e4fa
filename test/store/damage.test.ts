import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { damageText, flipByte, marked, segmentsOf } from "../helpers/damage.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { closeAll, openSeamStore, openTestStore } from "../helpers/stores.ts";
import { filledHome, usableBut } from "./damage-support.ts";

const test = suite("damage");
test.after.each(closeAll);

test("a flipped byte in a value is CORRUPTION with its place, and all others load", async () => {
  const home = await filledHome();
  damageText(segmentsOf(home)[0]!, "MARK-0004");
  const store = await openTestStore(home);
  const error = await failureWithHint(store.load("n/4"), "CORRUPTION");
  assert.is(error.details?.segment, 1);
  assert.type(error.details?.offset, "number");
  assert.match(error.message, `${error.details?.offset}`);
  await usableBut(store, [4]);
  assert.is((await store.get("n/4")).name, "n/4", "its facts are still known");
  for (const call of [(await store.get("n/4")).value(), (await store.get("n/4")).bytes()]) {
    await failureWithHint(call, "CORRUPTION");
  }
});

test("verify finds a damaged value once, names the artifact, and rebuilding keeps it found", async () => {
  const home = await filledHome();
  damageText(segmentsOf(home)[0]!, "MARK-0004");
  const store = await openTestStore(home);
  for (let round = 0; round < 2; round++) {
    const report = await store.verify({ full: true });
    assert.is(report.ok, false);
    assert.is(report.problems.length, 1);
    assert.equal(report.problems[0]!.refs, ["n/4:0"]);
    assert.is(report.problems[0]!.segment, 1);
    await usableBut(store, [4]);
    await store.rebuildIndex();
  }
});

test("saving a damaged value again heals it, for older versions too", async () => {
  const home = await filledHome();
  damageText(segmentsOf(home)[0]!, "MARK-0004");
  const store = await openTestStore(home);
  await store.save("again", marked(4));
  assert.is(await store.load("again"), marked(4));
  assert.is(await store.load("n/4"), marked(4));
  await store.rebuildIndex();
  assert.is(await store.load("again"), marked(4));
  assert.is(await store.load("n/4"), marked(4));
});

test("a damaged header of a record is CORRUPTION for that artifact only, while the index is there", async () => {
  const home = await filledHome();
  const segment = segmentsOf(home)[0]!;
  // The blob's header ends with the digest, right before the value.
  flipByte(segment, readFileSync(segment).indexOf("MARK-0004") - 10);
  await usableBut(await openTestStore(home), [4]);
});

test("a damaged alias is CORRUPTION with its place, nothing is pruned by it, and all values load", async () => {
  const home = await filledHome();
  const before = await openTestStore(home);
  await before.save("n/4", marked(4));
  await before.setAlias("n/4", "released", 0);
  await before.close();
  const segment = segmentsOf(home).at(-1)!;
  // The number of the version stands behind the key.
  flipByte(segment, readFileSync(segment).lastIndexOf("released") + "released".length);
  const store = await openTestStore(home);
  await store.rebuildIndex();
  await usableBut(store, []);
  const calls = [
    () => store.load("n/4@released"),
    () => store.aliases("n/4"),
    () => store.prune({ keepLast: 1, name: "n/4" }),
  ];
  for (const call of calls) {
    const error = await failureWithHint(call, "CORRUPTION");
    assert.is(error.details?.segment, 1, String(call));
    assert.type(error.details?.offset, "number");
  }
  await store.setAlias("n/4", "released", 0);
  assert.is(await store.load("n/4@released"), marked(4));
});

test("a damaged batch in the middle is told by verify, and a rebuild loses no other", async () => {
  const home = await filledHome();
  const segment = segmentsOf(home)[0]!;
  flipByte(segment, readFileSync(segment).indexOf("MARK-0004") - 10);
  const store = await openTestStore(home);
  const before = await store.verify();
  assert.is(before.ok, false);
  assert.ok(before.problems.some(({ kind }) => kind === "batch" || kind === "record"));
  await store.rebuildIndex();
  for (let n = 0; n < 10; n++) {
    if (n === 4) await failureWithHint(store.load("n/4"), "NOT_FOUND");
    else assert.is(await store.load(`n/${n}`), marked(n));
  }
  assert.is((await store.verify()).ok, false, "the log is still damaged");
  assert.is((await store.save("n/5", "new")).version, 1);
  await store.close();
  const copy = await openTestStore(copyHome(home));
  assert.is(await copy.load("n/5"), "new");
  assert.is(await copy.load("n/9"), marked(9));
});

test("damage of the last but one batch is told even where nothing but the log is left", async () => {
  const home = await filledHome();
  const segment = segmentsOf(home)[0]!;
  flipByte(segment, readFileSync(segment).indexOf("MARK-0008") - 10);
  for (const name of readdirSync(home)) if (name !== "log") rmSync(join(home, name), { recursive: true });
  const store = await openTestStore(home);
  assert.is(await store.load("n/9"), marked(9));
  assert.is(await store.load("n/7"), marked(7));
  assert.is((await store.verify()).ok, false);
});

test("a value whose batch was lost can be saved again, and everything that has it be deleted", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  const shared = Buffer.alloc(600, "SHARED--");
  for (const name of ["lost", "b", "c"]) await store.save(name, shared);
  await store.close();
  const segment = segmentsOf(home)[0]!;
  flipByte(segment, readFileSync(segment).indexOf("SHARED--") - 10);
  const again = await openTestStore(home);
  await again.rebuildIndex();
  await failureWithHint(again.load("b"), "CORRUPTION");
  assert.is((await again.get("b")).ref, "b:0");
  const { ref } = await again.save("d", shared);
  for (const name of ["b", "c", "d"]) assert.ok(shared.equals(await again.load<Uint8Array>(name)), name);
  for (const each of ["b:0", "c:0", ref]) await again.delete(each);
  await again.rebuildIndex();
  assert.is((await again.stats()).versions, 0);
  await again.undelete("b:0");
  assert.ok(shared.equals(await again.load<Uint8Array>("b")));
});

test("whatever byte of a log is flipped, no wrong value is ever given", async () => {
  const home = newFolder();
  const store = await openSeamStore(home, { segmentBytesMax: 1200 });
  for (let n = 0; n < 6; n++) await store.save(`n/${n % 3}`, { n, text: "t".repeat(50 * n) });
  await store.setAlias("n/0", "x", 0);
  await store.delete("n/1:0");
  await store.close();
  const right = new Map<string, unknown>();
  const whole = await openTestStore(copyHome(home));
  for await (const artifact of whole.list({ allVersions: true }))
    right.set(artifact.ref, await artifact.value());
  for (const segment of segmentsOf(home)) {
    const intact = readFileSync(segment);
    for (let at = 1; at < intact.length; at += 37) {
      flipByte(segment, at);
      const copy = copyHome(home);
      try {
        const damaged = await openTestStore(copy, { readOnly: true });
        for (const [ref, value] of right) {
          const got = await damaged.load(ref).catch((error) => {
            assert.ok(["CORRUPTION", "NOT_FOUND"].includes(error.code), `${at}: ${error.code}`);
            return value;
          });
          assert.equal(got, value, `${segment} ${at}`);
        }
        await damaged.close();
      } catch (error) {
        const { code } = error as { code: string };
        if (!["CORRUPTION", "NOT_SUPPORTED", "INVALID_ARGUMENT"].includes(code)) throw error;
      } finally {
        writeFileSync(segment, intact);
        rmSync(dirname(copy), { recursive: true });
      }
    }
  }
  assert.ok(existsSync(home));
});

test.run();

import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import { familyOf } from "../../engine/artifact-key.ts";
import { encodeValue } from "../../engine/codec/cbor.ts";
import { openEngine } from "../../engine/key-value.ts";
import { openCore } from "../../engine/open.ts";
import { damageText, flipByte, marked, segmentsOf } from "../helpers/damage.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { killPrograms } from "../helpers/processes.ts";
import { closeAll, openTestStore, track } from "../helpers/stores.ts";
import { COUNT, damageBatch } from "./repair-support.ts";

/** Values come back from wherever their bytes are, by digest. */
const test = suite("repair: values");
test.after.each(closeAll);
test.after.each(killPrograms);

test("values come from the log itself and from other stores, by digest, small and large", async () => {
  const large = Buffer.alloc(300_000, "LARGE---").map((byte, i) => (i > 8 ? byte ^ i : byte));
  const home = newFolder();
  const store = await openTestStore(home);
  await store.save("small", marked(1));
  await store.save("large", large);
  await store.save("gone", marked(2));
  const other = await openTestStore(newFolder());
  await other.save("elsewhere", [1, 2, 3]);
  await other.save("large", large);
  await other.save("small", marked(1));
  const [segment] = segmentsOf(home);
  damageText(segment!, "MARK-0001");
  damageText(segment!, "LARGE---");
  damageText(segment!, "MARK-0002");
  await failureWithHint(store.load("large"), "CORRUPTION");
  const report = await store.repair({ from: other });
  assert.equal(report.repaired.flatMap(({ refs }) => refs ?? []).sort(), ["large:0", "small:0"]);
  assert.equal(
    report.notRepaired.flatMap(({ refs }) => refs ?? []),
    ["gone:0"],
  );
  assert.is(report.ok, false);
  const isThere = async (opened: ArtifactStore) => {
    assert.is(await opened.load("small"), marked(1));
    assert.ok(Buffer.from(large).equals(await opened.load<Uint8Array>("large")));
    await failureWithHint(opened.load("gone"), "CORRUPTION");
  };
  await isThere(store);
  const verified = await store.verify({ full: true });
  assert.equal(
    verified.problems.flatMap(({ refs }) => refs ?? []),
    ["gone:0"],
  );
  assert.is(verified.healed, 2);
  await store.rebuildIndex();
  await isThere(store);
  await store.close();
  await isThere(await openTestStore(copyHome(home)));
});

test("bytes that only claim to be the value are not taken", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  await store.save("a", marked(1));
  const other = newFolder();
  const liar = await openTestStore(other);
  await liar.close();
  const { core, release } = await openCore(other, { application: "artifact", familyOf });
  const digest = Buffer.from((await store.get("a")).digest.slice("sha256:".length), "hex");
  const lie = { ...core.prepareBlob(Buffer.from(encodeValue(marked(2)))), digest };
  await core.commit({ run: (transaction) => transaction.writeBlob(lie), bytes: 0, durable: true });
  await release();
  damageText(segmentsOf(home)[0]!, "MARK-0001");
  for (const dryRun of [true, false]) {
    const report = await store.repair({ from: other, dryRun });
    assert.equal([report.ok, report.repaired], [false, []]);
  }
  await failureWithHint(store.load("a"), "CORRUPTION");
});

test("an older sound copy of a value in the own log is found when the newer is damaged", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  await store.save("a", marked(1));
  const [segment] = segmentsOf(home);
  const place = readFileSync(segment!).indexOf("MARK-0001") + 2;
  flipByte(segment!, place);
  await store.save("b", marked(1));
  assert.is(readFileSync(segment!).toString("latin1").split("MARK-0001").length, 2, "written a second time");
  flipByte(segment!, place);
  flipByte(segment!, readFileSync(segment!).lastIndexOf("MARK-0001") + 2);
  await failureWithHint(store.load("b"), "CORRUPTION");
  const report = await store.repair();
  assert.ok(report.ok);
  assert.equal(report.repaired.flatMap(({ refs }) => refs ?? []).sort(), ["a:0", "b:0"]);
  assert.equal(report.quarantined, []);
  for (const name of ["a", "b"]) assert.is(await store.load(name), marked(1));
  assert.ok((await store.verify({ full: true })).ok);
});

test("a value whose whole batch was lost comes back from another store for those that share it", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  for (const name of ["lost", "b"]) await store.save(name, marked(1));
  const other = await openTestStore(newFolder());
  await other.save("x", marked(1));
  damageBatch(segmentsOf(home)[0]!, 1);
  await store.rebuildIndex();
  await failureWithHint(store.load("b"), "CORRUPTION");
  const report = await store.repair({ from: other });
  assert.is(report.ok, false, "the batch is lost");
  assert.equal(
    report.notRepaired.map(({ kind }) => kind),
    ["batch"],
  );
  assert.is(await store.load("b"), marked(1));
});

test("the key-value engine is repaired too, and names the keys", async () => {
  const folder = newFolder();
  const engine = track(await openEngine(folder));
  for (let n = 0; n < COUNT; n++) await engine.put(["k", n], n === 7 ? marked(7).repeat(20) : marked(n));
  const backup = copyHome(folder);
  await engine.put("later", marked(COUNT));
  for (const n of [4, 7, COUNT]) damageText(segmentsOf(folder)[0]!, `MARK-${String(n).padStart(4, "0")}`);
  const report = await engine.repair({ from: backup });
  assert.equal(
    report.notRepaired.map(({ key, reason }) => ({ key, reason })),
    [
      { key: undefined, reason: "no copy that was given has it sound" },
      { key: "later", reason: "no copy that was given has it sound" },
    ],
  );
  assert.equal(
    report.repaired.flatMap(({ key }) => (key ? [key] : [])),
    [
      ["k", 4],
      ["k", 7],
    ],
  );
  assert.is(await engine.get(["k", 7]), marked(7).repeat(20));
  assert.is(await engine.get(["k", 4]), marked(4));
  await failureWithHint(engine.get("later"), "CORRUPTION");
});

test.run();

import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { EngineCore } from "../../engine/engine.ts";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { RecordKind } from "../../engine/log/format.ts";
import { LogReader } from "../../engine/log/reader.ts";
import { scanLog } from "../../engine/log/scan.ts";
import { LOG_START, listSegments } from "../../engine/log/segment.ts";
import { logFolder } from "../../engine/maintenance/home.ts";
import { openCore } from "../../engine/open.ts";
import { damageText, segmentsOf } from "../helpers/damage.ts";
import { failure } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, track } from "../helpers/stores.ts";
import { Expected, openSmall } from "./compact-support.ts";

const test = suite("forgotten history");
test.after.each(closeAll);

const ROUNDS = Number(process.env.VARVE_TEST_COMPACT_HISTORIES ?? 4);

type State = Map<string, string>;

async function openKeys(home: string): Promise<EngineCore> {
  const { core, release } = await openCore(home, {
    application: "keyvalue",
    segmentBytesMax: 4096,
    minFreeSpace: 0,
  });
  track({ close: release });
  return core;
}

/** One batch of puts and deletes, of which several may be of one key. */
async function change(core: EngineCore, random: Random, state: State): Promise<void> {
  const steps = Array.from({ length: 1 + random.below(4) }, () => ({
    key: `key${random.below(12)}`,
    text: random.next() < 0.6 ? `${random.below(1e9)} `.repeat(1 + random.below(30)) : undefined,
  }));
  for (const { key, text } of steps) {
    if (text === undefined) state.delete(key);
    else state.set(key, text);
  }
  await core.commit({
    bytes: 0,
    durable: false,
    run(transaction) {
      for (const { key, text } of steps) {
        const bytes = Buffer.from(key);
        if (text === undefined) transaction.delete(bytes);
        else transaction.put(bytes, core.preparePayload([], Buffer.from(text)));
      }
    },
  });
}

/** What the log says of each operation from `from` on. */
function statesIn(core: EngineCore, from: number): Map<number, State> {
  const folder = logFolder(core.folder);
  const reader = new LogReader(nodeFileSystem, folder, core.identity);
  const states = new Map<number, State>();
  const state: State = new Map();
  let told = from - 1;
  try {
    for (const found of scanLog(reader, listSegments(nodeFileSystem, folder), LOG_START)) {
      if ("problem" in found) throw new Error(found.problem.message);
      const { header, records } = found.batch;
      // Batches that were left out changed nothing from then on.
      for (let sequence = Math.max(from, told + 1); sequence < header.sequence; sequence++)
        states.set(sequence, new Map(state));
      for (const record of records) {
        if (record.kind === RecordKind.delete) state.delete(String(record.key));
        else state.set(String(record.key), String(record.payload));
      }
      told = header.sequence;
      if (told >= from) states.set(told, new Map(state));
    }
  } finally {
    reader.close();
  }
  return states;
}

function now(core: EngineCore, keys: Iterable<string>): State {
  const state: State = new Map();
  for (const key of keys) {
    const row = core.row(Buffer.from(key));
    const content = row && core.content(Buffer.from(key), row);
    if (content) state.set(key, String(content));
  }
  return state;
}

const sorted = (state: State | undefined) => [...(state ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));

test("of every operation from there on the log says what it said before, and of now too", async () => {
  const random = new Random("histories");
  let dropped = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const core = await openKeys(newFolder());
    const state: State = new Map();
    const states: State[] = [new Map()];
    let horizon = 0;
    for (let part = 0; part < 3; part++) {
      for (let i = 0; i < 60; i++) {
        await change(core, random, state);
        states.push(new Map(state));
      }
      const before = 1 + random.below(states.length - 1);
      const what = `round ${round}, part ${part}, before ${before}, seed ${random.seed}`;
      const options = { deadShare: 0, historyBefore: before };
      const foreseen = await core.compact({ ...options, dryRun: true });
      const report = await core.compact({ ...options, dryRun: false });
      assert.equal([report.records, report.freedBytes], [foreseen.records, foreseen.freedBytes], what);
      assert.is(report.waitingBytes, 0, what);
      dropped += report.records;
      assert.is((await core.compact({ ...options, dryRun: false })).records, 0, what);
      horizon = Math.max(horizon, before);
      for (const [sequence, found] of statesIn(core, horizon))
        assert.equal(sorted(found), sorted(states[sequence]), `${what}, operation ${sequence}`);
      const keys = Array.from({ length: 12 }, (_, i) => `key${i}`);
      assert.equal(sorted(now(core, keys)), sorted(state), what);
      await core.rebuildIndex();
      assert.equal(sorted(now(core, keys)), sorted(state), `${what}, rebuilt`);
      assert.equal((await core.verify({ full: true })).problems, [], what);
    }
  }
  assert.ok(dropped > ROUNDS * 10, `${dropped}`);
});

test("behind a damaged segment deletes stay, so nothing comes back", async () => {
  const home = newFolder();
  const core = await openKeys(home);
  const put = (key: string, text: string) =>
    core.commit({
      bytes: 0,
      durable: true,
      run: (t) => void t.put(Buffer.from(key), core.preparePayload([], Buffer.from(text))),
    });
  await put("gone", "first value");
  await put("damaged", "the damaged one".repeat(300));
  for (let i = 0; i < 5; i++) await put("filler", `${i} `.repeat(1000));
  await core.commit({ bytes: 0, durable: true, run: (t) => t.delete(Buffer.from("gone")) });
  for (let i = 0; i < 5; i++) await put("filler", `${i} `.repeat(1000));
  damageText(segmentsOf(home)[0]!, "the damaged one");
  const { skipped, records } = await core.compact({ dryRun: false, deadShare: 0, historyBefore: 1000 });
  assert.equal(
    skipped.map(({ kind, segment }) => [kind, segment]),
    [["record", 1]],
  );
  assert.ok(records > 5);
  await core.rebuildIndex();
  assert.is(core.row(Buffer.from("gone")), undefined);
});

test("without being asked for, history stays", async () => {
  const home = newFolder();
  const core = await openKeys(home);
  const random = new Random("kept history");
  const state: State = new Map();
  for (let i = 0; i < 40; i++) await change(core, random, state);
  const before = statesIn(core, 1);
  assert.is((await core.compact({ dryRun: false, deadShare: 0 })).segments, 0);
  assert.equal(statesIn(core, 1), before);
});

test("what was deleted by then is forgotten with its edges, but for the newest of a name", async () => {
  const home = newFolder();
  const store = await openSmall(home);
  const expected = new Expected();
  await expected.save(store, "data", "d0");
  await expected.save(store, "data", "d1", ["data:0"]);
  await expected.save(store, "model", "m0", ["data:0", "data:1"]);
  await store.setAlias("data", "good", 1);
  await store.setAlias("data", "good", 0);
  for (const ref of ["model:0", "data:1"]) await expected.delete(store, ref);
  await expected.save(store, "data", "d2");
  const { sequence } = await store.stats();
  await sleep(5);
  const then = new Date();
  await sleep(5);
  await expected.save(store, "data", "d3");
  await expected.delete(store, "data:2");
  const foreseen = await store.compact({ historyBefore: then, dryRun: true });
  const report = await store.compact({ historyBefore: then });
  assert.equal([report.records, report.freedBytes], [foreseen.records, foreseen.freedBytes]);
  assert.ok(report.records > 0);
  assert.is((await store.compact({ historyBefore: sequence })).records, 0);
  const deleted: string[] = [];
  for await (const { ref } of store.list({ deleted: true })) deleted.push(ref);
  // One was deleted later, and of the other's name there is no newer one.
  assert.equal(deleted.sort(), ["data:2", "model:0"]);
  assert.equal(
    (await store.lineage("data:0")).nodes.map(({ ref }) => ref),
    ["data:0", "model:0"],
  );
  await failure(store.undelete("data:1"), "NOT_FOUND");
  expected.deleted.delete("data:1");
  await expected.checkEverywhere(home, store);
  assert.is((await store.save("model", "m1")).version, 1);
  assert.is((await store.save("data", "d4")).version, 4);
  assert.equal(await store.aliases("data"), { good: 0 });
});

test("no number is given again, though the first version of a name was deleted by then", async () => {
  const home = newFolder();
  const store = await openSmall(home);
  const expected = new Expected();
  for (let i = 0; i < 4; i++) await expected.save(store, "name", `value ${i}`);
  for (let i = 0; i < 3; i++) await expected.delete(store, `name:${i}`);
  await store.compact({ historyBefore: (await store.stats()).sequence });
  assert.is((await store.save("name", "next")).version, 4);
  assert.is(await store.load("name:3"), "value 3");
});

test.run();

import { statSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import { Catalog } from "../../engine/index/catalog.ts";
import { cleanPosition, trustIn } from "../../engine/index/mark.ts";
import { PackedSize } from "../../engine/index/packed-size.ts";
import type { RawEntry } from "../../engine/index/raw-entry.ts";
import type { SharedState } from "../../engine/index/shared-state.ts";
import { indexFolder, listGenerations } from "../../engine/maintenance/home.ts";
import { Pace } from "../../engine/maintenance/pace.ts";
import { openCore } from "../../engine/open.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { newestIndex } from "../helpers/indexes.ts";
import type { OpenIndex } from "../helpers/live-indexes.ts";
import { openLiveIndex } from "../helpers/live-indexes.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, openTestStore } from "../helpers/stores.ts";
import { until } from "../helpers/time.ts";

const test = suite("a packed index");
const { append, putOwnInto } = Catalog.prototype;
test.after.each(() => {
  Catalog.prototype.append = append;
  Catalog.prototype.putOwnInto = putOwnInto;
});
test.after.each(closeAll);
test.after.each(killPrograms);

/** Of a compaction that packs an index, so many moments it is killed at. */
const KILLS = Number(process.env.VARVE_TEST_PACK_KILLS ?? 4);
/** Enough that its pages are worth packing. */
const ARTIFACTS = 3_000;

/** A home whose index has its rows in any order; of a copy it would be made anew, and packed. */
async function filledHome(): Promise<string> {
  const home = newFolder();
  const store = await openTestStore(home);
  for (let first = 0; first < ARTIFACTS; first += 500)
    await store.batch((batch) => {
      for (let i = first; i < first + 500; i++) batch.save(`n${i % 3}`, { i });
    });
  await store.close();
  return home;
}

/** Runs `during` once rows are put into the packed index, and tells when it is in use. */
function watchPacking(during: () => void): { isOver(): boolean } {
  let isOver = false;
  Catalog.prototype.append = function (key, value) {
    Catalog.prototype.append = append;
    during();
    return append.call(this, key, value);
  };
  Catalog.prototype.putOwnInto = function (other) {
    isOver = true;
    putOwnInto.call(this, other);
  };
  return { isOver: () => isOver };
}

const textOf = ({ keyBytes, keyStart, keyEnd, value, valueLength }: RawEntry) => {
  const key = Buffer.from(keyBytes.subarray(keyStart, keyEnd)).toString("latin1");
  return `${key} ${Buffer.from(value.subarray(0, valueLength)).toString("latin1")}`;
};

/** The key of a row that no other index has. */
const WHEN_PACKED = "\0\x04";

/** All rows as they lie in the index, and what its pages take. */
async function dump(home: string) {
  const { core, release } = await openCore(home, { application: "artifact" });
  try {
    core.refresh();
    const rows: string[] = [];
    const size = new PackedSize(core.catalog.size().pageBytes);
    core.catalog.visit({ start: Buffer.from([0]) }, (entry) => {
      const text = textOf(entry);
      if (!text.startsWith(WHEN_PACKED)) rows.push(text);
      size.add(entry);
    });
    return { rows, packedBytes: size.bytes, ...core.catalog.size() };
  } finally {
    await release();
  }
}

function checkRows(rows: readonly string[], expected: readonly string[], what: string): void {
  assert.is(rows.length, expected.length, what);
  const other = rows.findIndex((row, i) => row !== expected[i]);
  assert.is(rows[other], expected[other], `${what}: row ${other}`);
}

async function checkValues(store: ArtifactStore, count = ARTIFACTS): Promise<void> {
  for (let i = 0; i < count; i += 7) assert.equal(await store.load(`n${i % 3}:${Math.floor(i / 3)}`), { i });
  assert.equal((await store.verify({ full: true })).problems, []);
}

test("compaction leaves the same rows in full pages, and does no more where they are full", async () => {
  const home = await filledHome();
  const store = await openTestStore(home);
  const before = await dump(home);
  assert.ok(before.packedBytes < before.fileBytes * 0.8);
  await store.compact();
  const after = await dump(home);
  checkRows(after.rows, before.rows, "packed");
  assert.ok(after.fileBytes <= before.packedBytes, `${after.fileBytes} of ${before.packedBytes}`);
  assert.ok(after.usedBytes > before.packedBytes * 0.8, "that it takes is not guessed too high");
  assert.is(statSync(join(newestIndex(home), "data.mdb")).size, after.fileBytes);
  const packed = listGenerations(home);
  assert.is(packed.length, 1);
  assert.is(trustIn(newestIndex(home)), "boot");
  await store.compact();
  assert.equal(listGenerations(home), packed);
  await checkValues(store);
});

test("what is written meanwhile, here and by another process, is in it", async () => {
  const home = await filledHome();
  const store = await openTestStore(home, { durability: "buffered" });
  const program = new Program("../engine/pack-saver.ts", [home, "other"]);
  await program.expect();
  await store.batch((batch) => {
    for (let i = 1; i < ARTIFACTS / 3; i += 2) batch.delete(`n2:${i}`);
  });
  const [old] = listGenerations(home);
  const saving: Promise<number>[] = [];
  let isOver = false;
  const packing = watchPacking(() => saving.push(saveUntil(store, () => isOver || packing.isOver())));
  const { blobs } = await store.compact();
  assert.ok(blobs > 0);
  isOver = true;
  assert.not(listGenerations(home).includes(old!));
  assert.is(saving.length, 1);
  const own = await saving[0]!;
  program.tell("end");
  const { saved, live } = await program.expect();
  await program.ended();
  assert.ok(own > 0 && saved > 0);
  const after = await dump(home);
  assert.equal((await store.verify({ full: true })).problems, []);
  for (let n = 0; n < own; n++) assert.equal(await store.load(`own:${n}`), { own: n });
  for (const n of live) assert.equal(await store.load(`other:${n}`), { name: "other", n });
  await store.rebuildIndex();
  const rebuilt = await dump(home);
  checkRows(after.rows, rebuilt.rows, "made anew");
});

/** Saves, and deletes and annotates what was there before. */
async function saveUntil(store: ArtifactStore, isOver: () => boolean): Promise<number> {
  let count = 0;
  for (; count === 0 || !isOver(); count++) {
    await nextTurn();
    await store.save("own", { own: count });
    await store.save("again", { i: count });
    if (count > 0 && count % 3 === 0) await store.annotate(`n0:${count}`, { tags: { count: `${count}` } });
    await store.delete(`again:${count}`);
  }
  return count;
}

type Change = (state: SharedState) => Partial<SharedState>;

for (const [what, change] of Object.entries({
  "records were moved, or batches written again": ({ logEpoch }) => ({ logEpoch: logEpoch + 1 }),
  "batches were lost": ({ losses }) => ({ losses: losses + 1 }),
  "a sync failed": () => ({ syncFailed: true }),
  "the index is suspected": () => ({ indexSuspect: true }),
} satisfies Record<string, Change>))
  test(`it is void where ${what} meanwhile`, async () => {
    const home = await filledHome();
    const { lock, live } = await openLiveIndex(home);
    const before = listGenerations(home);
    let steps = 0;
    await live.pack({
      pace: new Pace({}),
      hold: (action) =>
        lock.hold(() => {
          const state = live.stateUnderLock();
          const result = action(state);
          // Behind the first step, in which it begins.
          if (++steps === 1) lock.setState({ ...state, ...(change as Change)(state) });
          return result;
        }),
    });
    assert.ok(steps > 1);
    assert.equal(listGenerations(home), before);
    assert.is(live.state.generation, before[0]);
  });

/** Packs the index outside of a compaction. */
function pack({ lock, live }: OpenIndex): Promise<void> {
  return live.pack({ pace: new Pace({}), hold: (action) => lock.hold(() => action(live.stateUnderLock())) });
}

test("a checkpoint stays", async () => {
  const home = await filledHome();
  const open = await openLiveIndex(home, { checkpointBatchesMin: 1 });
  const { lock, live } = open;
  const [old] = listGenerations(home);
  await lock.hold(() => void live.stateForWriting());
  const checkpoint = old! + 1;
  await until("a clean checkpoint", () => cleanPosition(indexFolder(home, checkpoint)) !== undefined);
  const { checkpointSequence } = await lock.hold(() => live.stateUnderLock());
  assert.ok(checkpointSequence > 0);
  await pack(open);
  assert.equal(listGenerations(home).sort(), [checkpoint, live.state.generation]);
  assert.is(live.state.checkpointSequence, checkpointSequence);
  assert.ok(live.state.generation > checkpoint);
});

test("a checkpoint that is being taken is not counted on", async () => {
  const home = await filledHome();
  const open = await openLiveIndex(home);
  await open.lock.hold(() => open.lock.setState({ ...open.live.stateUnderLock(), checkpointSequence: 1 }));
  await pack(open);
  assert.is(open.live.state.checkpointSequence, 0);
  assert.equal(listGenerations(home), [open.live.state.generation]);
});

test("it is void where the index was made anew meanwhile", async () => {
  const home = await filledHome();
  const store = await openTestStore(home);
  let rebuilt: Promise<void> | undefined;
  const packing = watchPacking(() => {
    rebuilt = store.rebuildIndex();
  });
  await store.compact();
  await rebuilt;
  assert.not(packing.isOver());
  assert.is(listGenerations(home).length, 1);
  await checkValues(store);
});

test("ended half-way it leaves nothing", async () => {
  const home = await filledHome();
  const store = await openTestStore(home);
  const before = listGenerations(home);
  const ending = new AbortController();
  watchPacking(() => ending.abort());
  await failure(store.compact({ signal: ending.signal }), "ABORTED");
  assert.equal(listGenerations(home), before);
  await checkValues(store);
  await store.compact();
  assert.ok(!listGenerations(home).includes(before[0]!));
});

test("a damaged row is told, and not taken over", async () => {
  const home = await filledHome();
  const store = await openTestStore(home);
  const before = listGenerations(home);
  const { core, release } = await openCore(home, { application: "artifact" });
  const [key, damaged] = [Buffer.alloc(64, 0xfe), Buffer.alloc(64, 1)];
  core.catalog.transact(() => core.catalog.append(key, damaged));
  await release();
  const { hint } = await failureWithHint(() => store.compact(), "CORRUPTION");
  assert.match(hint!, "rebuild");
  assert.equal(listGenerations(home), before);
  await store.rebuildIndex();
  await checkValues(store);
});

test("killed at any moment it leaves the rows as they were, and the next one packs them", async () => {
  const whole = new Program("../engine/compact-program.ts", [await filledHome(), ""]);
  const { calls } = await whole.expect();
  await whole.end();
  const first = calls.indexOf("transact: had");
  const random = new Random("killed");
  const count = Math.min(KILLS, calls.length - first);
  for (let i = 0; i < count; i++) {
    const moment = first + 1 + Math.floor(((i + random.next()) * (calls.length - first)) / count);
    await checkKilled(moment, `killed at ${moment}, ${calls[moment - 1]}`);
  }
});

async function checkKilled(moment: number, what: string): Promise<void> {
  const home = await filledHome();
  const { rows } = await dump(home);
  await new Program("../engine/compact-program.ts", [home, String(moment)]).ended();
  const store = await openTestStore(home);
  const left = await dump(home);
  // The first is the position, which may be in another segment since.
  checkRows(left.rows.slice(1), rows.slice(1), what);
  await store.compact();
  const packed = await dump(home);
  checkRows(packed.rows.slice(1), rows.slice(1), what);
  assert.ok(packed.fileBytes < packed.packedBytes, what);
  await checkValues(store);
  await store.close();
}

test.run();

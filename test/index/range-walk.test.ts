import { nativeAddon, open as openLmdb } from "lmdb";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CursorBuffers } from "../../engine/index/cursor-buffers.ts";
import type { EnvironmentRange } from "../../engine/index/lmdb.ts";
import { Environment } from "../../engine/index/lmdb.ts";
import { RangeWalk } from "../../engine/index/range-walk.ts";
import type { RawEntry } from "../../engine/index/raw-entry.ts";
import { newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, track } from "../helpers/stores.ts";

const test = suite("a walk over a range");
test.after.each(closeAll);

const LETTERS = "abc";
/** Values that begin as what stands in their place before they are read. */
const ONES = Buffer.alloc(12, 0xff);

type Rows = Map<string, Buffer>;

function newEnvironment(): Environment {
  return track(new Environment(newFolder()));
}

function anyKey(random: Random): string {
  return Array.from({ length: 1 + random.below(4) }, () => LETTERS[random.below(3)]).join("");
}

function anyValue(random: Random): Buffer {
  const which = random.below(20);
  if (which === 0) return ONES;
  return random.bytes(which === 1 ? 3_000 + random.below(60_000) : 1 + random.below(200));
}

function put(environment: Environment, rows: Rows, key: string, value: Buffer): void {
  environment.transactSync(() => environment.put(Buffer.from(key), value));
  rows.set(key, value);
}

interface KeyRange {
  start: string;
  end?: string;
  exclusiveStart?: boolean;
  limit?: number;
}

const asBytes = ({ start, end, ...rest }: KeyRange): EnvironmentRange => ({
  ...rest,
  start: Buffer.from(start),
  ...(end === undefined ? {} : { end: Buffer.from(end) }),
});

function expected(rows: Rows, { start, end, exclusiveStart, limit = 1e9 }: KeyRange) {
  const keys = [...rows.keys()].sort();
  const within = keys.filter((key) => (exclusiveStart ? key > start : key >= start));
  const found = within.filter((key) => end === undefined || key < end).slice(0, limit);
  return {
    found: found.map((key) => `${key} ${rows.get(key)!.toString("hex")}`),
    last: found.length === limit ? found.at(-1) : undefined,
  };
}

const textOf = (entry: RawEntry) => `${entry.key()} ${entry.copyOfValue().toString("hex")}`;

function visited(environment: Environment, range: EnvironmentRange, also = () => {}) {
  const found: string[] = [];
  const last = environment.visit(range, (entry) => {
    found.push(textOf(entry));
    also();
  });
  return { found, last: last?.toString() };
}

function anyRange(random: Random): KeyRange {
  return {
    start: anyKey(random),
    ...(random.below(2) === 0 ? { exclusiveStart: true } : {}),
    ...(random.below(2) === 0 ? { end: anyKey(random) } : {}),
    ...(random.below(2) === 0 ? { limit: 1 + random.below(20) } : {}),
  };
}

test("it gives what the order says, of the state of a snapshot, whatever is read and written meanwhile", () => {
  const random = new Random("walk");
  const environment = newEnvironment();
  const rows: Rows = new Map();
  for (let i = 0; i < 60; i++) put(environment, rows, anyKey(random), anyValue(random));
  for (let i = 0; i < 300; i++) {
    const snapshot = environment.snapshot();
    const then: Rows = new Map(rows);
    if (i % 3 === 0) put(environment, rows, anyKey(random), anyValue(random));
    const range = anyRange(random);
    const reads = (state: Rows, of: Pick<EnvironmentRange, "snapshot">) => () => {
      if (random.below(4) === 0) environment.getFast(Buffer.from(anyKey(random)));
      if (random.below(8) === 0) environment.first({ start: Buffer.from(anyKey(random)) });
      if (random.below(8) > 0) return;
      const inner = anyRange(random);
      assert.equal(visited(environment, { ...asBytes(inner), ...of }), expected(state, inner));
    };
    const message = `seed ${random.seed}, ${i}`;
    const of = { snapshot };
    const found = visited(environment, { ...asBytes(range), ...of }, reads(then, of));
    assert.equal(found, expected(then, range), message);
    snapshot.done();
    environment.refresh();
    assert.equal(visited(environment, asBytes(range), reads(rows, {})), expected(rows, range), message);
  }
});

test("within a transaction, and backwards, it is as an iterator has it", () => {
  const environment = newEnvironment();
  const rows: Rows = new Map();
  for (const key of ["a", "b", "c"]) put(environment, rows, key, Buffer.from(key));
  const snapshot = environment.snapshot();
  const range = { start: Buffer.from("c"), snapshot };
  visited(environment, range);
  assert.equal(visited(environment, { ...range, reverse: true }).found, ["c 63", "b 62", "a 61"]);
  environment.transactSync(() => {
    environment.remove(Buffer.from("b"));
    assert.equal(visited(environment, { start: Buffer.from("a") }).found, ["a 61", "c 63"]);
  });
  snapshot.done();
});

test("the state that it walks over stays, though its snapshot is given back meanwhile or what is visited throws", () => {
  const environment = newEnvironment();
  const rows: Rows = new Map();
  for (let i = 0; i < 2_000; i++) rows.set(`key ${10_000 + i}`, Buffer.alloc(100, i));
  environment.transactSync(() => {
    for (const [key, value] of rows) environment.put(Buffer.from(key), value);
  });
  const all = { start: "key" };
  visited(environment, asBytes(all));
  const then: Rows = new Map(rows);
  for (const throws of [true, false]) {
    const snapshot = environment.snapshot();
    let count = 0;
    const also = () => {
      if (++count !== 100) return;
      for (let i = 0; i < 20; i++) put(environment, rows, `key ${10_500 + i}`, Buffer.alloc(100, 1));
      if (throws) throw new Error("enough");
      snapshot.done();
      environment.refresh();
      for (let i = 0; i < 20; i++) put(environment, rows, `key ${11_900 + i}`, Buffer.alloc(100, 2));
    };
    const range = { ...asBytes(all), snapshot };
    if (!throws) assert.equal(visited(environment, range, also), expected(then, all));
    else assert.throws(() => visited(environment, range, also), /enough/);
    if (throws) {
      assert.equal(visited(environment, range), expected(then, all));
      snapshot.done();
      for (const [key, value] of rows) then.set(key, value);
      environment.refresh();
    }
  }
});

/** A database, and a walk over it whose calls are counted. */
async function counted(iterate = nativeAddon.iterate!) {
  const database = track(openLmdb({ path: newFolder(), keyEncoding: "binary", encoding: "binary" }));
  for (let i = 0; i < 10; i++) await database.put(Buffer.from([97, i]), Buffer.alloc(5, i));
  const calls = { made: 0 };
  const walk = new RangeWalk(
    database,
    { ...natives(), iterate: (cursor) => (++calls.made > 15 ? iterate : nativeAddon.iterate!)(cursor) },
    new CursorBuffers(),
  );
  const transaction = database.useReadTransaction();
  const snapshot = { transaction, done: () => transaction.done() };
  const found = () => {
    const values: number[] = [];
    walk.visit({ start: Buffer.from([97]), snapshot }, (entry) => values.push(entry.copyOfValue()[0]!));
    return values;
  };
  return { found, calls, snapshot };
}

function natives() {
  const { Cursor, position, iterate, lmdbError } = nativeAddon;
  return { Cursor: Cursor!, position: position!, iterate: iterate!, lmdbError: lmdbError! };
}

const TEN = Array.from({ length: 10 }, (_, i) => i);

test("it takes an iterator only until the first row was found", async () => {
  const { found, calls, snapshot } = await counted();
  assert.equal(found(), TEN);
  assert.is(calls.made, 0);
  assert.equal(found(), TEN);
  assert.is(calls.made, 10);
  snapshot.done();
});

test("a page that can't be read is no end of the range", async () => {
  const { found, snapshot } = await counted(() => -30796);
  assert.equal(found(), TEN);
  assert.equal(found(), TEN);
  assert.throws(found, /MDB_CORRUPTED/);
  snapshot.done();
});

test("a closed one says so", async () => {
  const environment = newEnvironment();
  put(environment, new Map(), "a", ONES);
  const snapshot = environment.snapshot();
  const range = { start: Buffer.from("a"), snapshot };
  for (let i = 0; i < 2; i++) visited(environment, range);
  snapshot.done();
  await environment.close();
  assert.throws(() => visited(environment, range), /closed|done/);
});

test.run();

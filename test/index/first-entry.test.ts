import { nativeAddon, open as openLmdb } from "lmdb";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CursorBuffers, type PositionCursor } from "../../engine/index/cursor-buffers.ts";
import { FirstEntry } from "../../engine/index/first-entry.ts";
import { Environment } from "../../engine/index/lmdb.ts";
import { newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, track } from "../helpers/stores.ts";

const test = suite("the first entry of a range");
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
  const which = random.below(10);
  if (which === 0) return ONES;
  return random.bytes(which === 1 ? 3_000 + random.below(60_000) : 1 + random.below(200));
}

function firstOf(environment: Environment, range: { start: string; end?: string; exclusiveStart?: boolean }) {
  const { start, end, exclusiveStart = false } = range;
  const found = environment.first({
    start: Buffer.from(start),
    exclusiveStart,
    ...(end === undefined ? {} : { end: Buffer.from(end) }),
  });
  return found && { key: found.key().toString(), value: found.copyOfValue() };
}

function expected(rows: Rows, { start, end, exclusiveStart }: Parameters<typeof firstOf>[1]) {
  const key = [...rows.keys()].sort().find((each) => each >= start && !(exclusiveStart && each === start));
  if (key === undefined || !(end === undefined ? key.startsWith(start) : key < end)) return undefined;
  return { key, value: rows.get(key)! };
}

function put(environment: Environment, rows: Rows, key: string, value: Buffer): void {
  environment.transactSync(() => environment.put(Buffer.from(key), value));
  rows.set(key, value);
}

test("it is the one that the order says, while rows come and go and others read", () => {
  const random = new Random("first");
  const environment = newEnvironment();
  const other = newEnvironment();
  const rows: Rows = new Map();
  for (let i = 0; i < 1_500; i++) {
    const range = { start: anyKey(random), exclusiveStart: random.below(2) === 0 };
    const whole = random.below(2) === 0 ? range : { ...range, end: anyKey(random) };
    assert.equal(firstOf(environment, whole), expected(rows, whole), `seed ${random.seed}, ${i}`);
    const which = random.below(8);
    const key = anyKey(random);
    if (which < 2) put(environment, rows, key, anyValue(random));
    if (which === 2) {
      environment.transactSync(() => environment.remove(Buffer.from(key)));
      rows.delete(key);
    }
    if (which === 3) environment.refresh();
    if (which === 4) put(other, new Map(), key, anyValue(random));
    if (which === 5) firstOf(other, { start: key });
    if (which === 6) assert.equal(environment.getFast(Buffer.from(key)), rows.get(key));
  }
});

test("a value is that of its key, also where lmdb-js goes over to a longer buffer for it", () => {
  const environment = newEnvironment();
  const lengths = [10, 20_000_000, 20, 60_000];
  environment.transactSync(() => {
    for (const [i, length] of lengths.entries())
      environment.put(Buffer.from([65 + i]), Buffer.alloc(length, i));
  });
  lengths.forEach((length, i) => {
    const { value, valueLength } = environment.look(Buffer.from([65 + i]))!;
    assert.is(valueLength, length);
    assert.ok(Buffer.alloc(length, i).equals(value.subarray(0, length)));
  });
});

test("within a transaction it is what that one has put so far", () => {
  const environment = newEnvironment();
  const rows: Rows = new Map();
  put(environment, rows, "b", ONES.subarray(1));
  assert.is(firstOf(environment, { start: "a", end: "z" })!.key, "b");
  environment.transactSync(() => {
    environment.put(Buffer.from("a"), Buffer.from("new"));
    assert.is(firstOf(environment, { start: "a", end: "z" })!.key, "a");
    environment.remove(Buffer.from("a"));
    environment.remove(Buffer.from("b"));
    assert.is(firstOf(environment, { start: "a", end: "z" }), undefined);
  });
  assert.is(firstOf(environment, { start: "a", end: "z" }), undefined);
});

test("beside a snapshot and a range that is gone over it is that of the newest state", () => {
  const environment = newEnvironment();
  const rows: Rows = new Map();
  for (const key of ["b", "c", "d"]) put(environment, rows, key, Buffer.from(`value of ${key}`));
  const snapshot = environment.snapshot();
  const entries = environment.entries({ start: Buffer.from("b"), snapshot });
  const others = environment.entries({ start: Buffer.from("b") });
  assert.is(entries.next().value!.key.toString(), "b");
  assert.is(others.next().value!.key.toString(), "b");
  for (const key of ["a", "aa"]) {
    put(environment, rows, key, Buffer.from(`value of ${key}`));
    environment.refresh();
    for (let i = 0; i < 3; i++)
      assert.equal(firstOf(environment, { start: key, end: "z" }), { key, value: rows.get(key) });
  }
  assert.equal(
    [...entries].map(({ key }) => key.toString()),
    ["c", "d"],
  );
  assert.equal(
    [...others].map(({ key }) => key.toString()),
    ["c", "d"],
  );
  snapshot.done();
  environment.refresh();
  assert.is(firstOf(environment, { start: "a", end: "z" })!.key, "a");
});

test("what another user of lmdb-js reads, into longer memory too, changes nothing", () => {
  const environment = newEnvironment();
  const rows: Rows = new Map();
  for (const key of ["a", "b"]) put(environment, rows, key, Buffer.from(`value of ${key}`));
  const read = (key: string) => assert.equal(firstOf(environment, { start: key })!.value, rows.get(key));
  for (const key of ["a", "b"]) read(key);
  const other = openLmdb({ path: newFolder() }) as unknown as {
    /** What lmdb-js does for a value that is longer than the memory into which it reads. */
    _allocateGetBuffer(bytes: number): Uint8Array;
    close(): Promise<void>;
  };
  track(other);
  for (let i = 0; i < 2; i++) {
    other._allocateGetBuffer(16 * 1024 * 1024);
    for (const key of ["a", "b", "a"]) read(key);
  }
});

test("it takes an iterator only until the first row was found", async () => {
  const database = track(openLmdb({ path: newFolder(), keyEncoding: "binary", encoding: "binary" }));
  for (let i = 0; i < 10; i++) await database.put(Buffer.from([97, i]), Buffer.alloc(5, i));
  let calls = 0;
  const position: PositionCursor = (...parameters) => {
    calls++;
    return nativeAddon.position!(...parameters);
  };
  const first = new FirstEntry(database, position, new CursorBuffers());
  for (let i = 0; i < 10; i++)
    assert.equal(first.from(Buffer.from([97, i]))!.copyOfValue(), Buffer.alloc(5, i));
  assert.is(calls, 9);
});

test("a closed one says so", async () => {
  const environment = new Environment(newFolder());
  put(environment, new Map(), "a", ONES);
  for (let i = 0; i < 2; i++) firstOf(environment, { start: "a" });
  await environment.close();
  assert.throws(() => firstOf(environment, { start: "a" }), /closed/);
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openEngine } from "../../engine/key-value.ts";
import { ReadCache } from "../../engine/read-cache.ts";
import { damageText, marked, segmentsOf } from "../helpers/damage.ts";
import { failure } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, newStore, track } from "../helpers/stores.ts";

const test = suite("cache of what was read");
test.after.each(closeAll);

const MEBIBYTE = 1024 * 1024;

function bytesAt(cache: ReadCache, key: Uint8Array): Buffer | undefined {
  const position = cache.find(key);
  if (position === 0) return undefined;
  return cache.use(position, (memory, start, end) => Buffer.from(memory.subarray(start, end)));
}

test("what is found is what was added, whatever was overwritten since, and the newest is found", () => {
  const random = new Random("cache");
  const cache = new ReadCache(3 * MEBIBYTE);
  const added: { key: Buffer; bytes: Buffer; position: number }[] = [];
  let found = 0;
  for (let i = 0; i < 6_000; i++) {
    const key = random.bytes(32);
    const bytes = random.bytes(random.below(3_000));
    const position = cache.add(key, bytes);
    assert.equal(bytesAt(cache, key), bytes, `seed ${random.seed}`);
    added.push({ key, bytes, position });
    const earlier = added[random.below(added.length)]!;
    const kept = bytesAt(cache, earlier.key);
    if (kept) assert.equal(kept, earlier.bytes, `seed ${random.seed}`);
    if (kept) found++;
    if (!cache.isKept(earlier.position)) continue;
    const there = cache.use(earlier.position, (memory, start, end) =>
      Buffer.from(memory.subarray(start, end)),
    );
    assert.equal(there, earlier.bytes, `by its position, seed ${random.seed}`);
  }
  assert.ok(found > 1_000, `${found} of those looked for again`);
  assert.is(bytesAt(cache, added[0]!.key), undefined, "the oldest is gone");
});

test("what fits is kept, also while the memory grows", () => {
  const random = new Random("growth");
  const cache = new ReadCache(8 * MEBIBYTE);
  const keys = Array.from({ length: 4_000 }, () => random.bytes(32));
  for (const key of keys) cache.add(key, Buffer.alloc(1_000, key[0]));
  const kept = keys.filter((key) => bytesAt(cache, key)?.equals(Buffer.alloc(1_000, key[0])));
  assert.ok(kept.length > 3_900, `${kept.length} of ${keys.length}, seed ${random.seed}`);
});

test("entries whose keys begin alike are told apart", () => {
  const cache = new ReadCache(MEBIBYTE);
  const key = Buffer.alloc(32, 7);
  cache.add(key, Buffer.from("first"));
  const other = Buffer.from(key);
  other[31] = 8;
  assert.is(bytesAt(cache, other), undefined);
  cache.add(other, Buffer.from("second"));
  assert.equal([bytesAt(cache, key), bytesAt(cache, other)].map(String), ["first", "second"]);
});

test("a full cache keeps what is read again, and what is read once drives nothing out of it", () => {
  const random = new Random("full");
  const cache = new ReadCache(MEBIBYTE);
  const bytes = Buffer.alloc(1_000, 5);
  const read = (key: Buffer) =>
    cache.useNew(key, bytes, (memory, start, end) => assert.equal(memory.subarray(start, end), bytes));
  const first = Array.from({ length: 1_200 }, () => random.bytes(32));
  for (const key of first) read(key);
  const kept = () => first.filter((key) => bytesAt(cache, key)).length;
  const before = kept();
  assert.ok(before > 900, `${before}, seed ${random.seed}`);
  for (let i = 0; i < 3_000; i++) read(random.bytes(32));
  assert.ok(kept() >= before - 20, `${kept()} of ${before}, seed ${random.seed}`);
  const again = random.bytes(32);
  read(again);
  assert.is(bytesAt(cache, again), undefined, "once");
  read(again);
  assert.equal(bytesAt(cache, again), bytes, "twice");
});

test("of another size it has forgotten what was in it, wherever that was, and keeps what comes then", () => {
  const random = new Random("resize");
  const cache = new ReadCache(MEBIBYTE);
  const before: { key: Buffer; position: number }[] = [];
  for (const size of [2 * MEBIBYTE, MEBIBYTE / 2, 0, 3 * MEBIBYTE]) {
    for (let i = 0; i < 1_500; i++) {
      const key = random.bytes(32);
      before.push({ key, position: cache.add(key, random.bytes(500)) });
    }
    cache.resize(size);
    const kept = before.filter(({ key, position }) => cache.isKept(position) || cache.find(key) > 0);
    assert.equal(kept, [], `${size}, seed ${random.seed}`);
    const key = random.bytes(32);
    cache.add(key, Buffer.from("new"));
    assert.is(
      bytesAt(cache, key)?.toString(),
      size === 0 ? undefined : "new",
      `${size}, seed ${random.seed}`,
    );
  }
});

test("none keeps nothing, and a value that is long beside the cache is not kept", () => {
  const key = Buffer.alloc(32, 1);
  const none = new ReadCache(0);
  assert.is(none.add(key, Buffer.alloc(10)), 0);
  assert.is(none.find(key), 0);
  const cache = new ReadCache(MEBIBYTE);
  assert.is(cache.add(key, Buffer.alloc(100_000)), 0);
  assert.is(cache.find(key), 0);
});

test("a value that was read is there though its place in the log is damaged since; without a cache it is not", async () => {
  for (const cacheSize of [undefined, 0]) {
    const store = await newStore(cacheSize === undefined ? {} : { cacheSize });
    await store.save("read", { text: marked(1) });
    await store.save("unread", { text: marked(2) });
    assert.equal(await store.load("read"), { text: marked(1) });
    for (const n of [1, 2]) damageText(segmentsOf(store.home)[0]!, marked(n));
    for (let i = 0; i < 2; i++) await failure(store.load("unread"), "CORRUPTION");
    if (cacheSize === 0) await failure(store.load("read"), "CORRUPTION");
    else assert.equal(await store.load("read"), { text: marked(1) });
  }
});

test("each load gives a value of its own", async () => {
  const store = await newStore();
  await store.save("mine", { list: [1, 2], text: marked(1) });
  for (let i = 0; i < 3; i++) {
    const value = await store.load<{ list: number[] }>("mine");
    assert.equal(value, { list: [1, 2], text: marked(1) });
    value.list.push(3);
  }
});

test("an engine gives what is under a key now, however often that was read", async () => {
  const engine = track(await openEngine(newFolder()));
  for (let i = 0; i < 20; i++) {
    await engine.put("key", { i, text: marked(i) });
    await engine.put("other", { i: -i, text: marked(i) });
    for (let again = 0; again < 2; again++) {
      assert.equal(await engine.get("key"), { i, text: marked(i) });
      assert.equal(await engine.get("other"), { i: -i, text: marked(i) });
    }
  }
});

test.run();

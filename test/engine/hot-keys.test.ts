import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Families, type FamilyRow } from "../../engine/families.ts";
import { NOT_CACHED, type Row } from "../../engine/index/rows.ts";
import { encodeKey, textOfKey } from "../../engine/key.ts";
import { type Engine, openEngine } from "../../engine/key-value.ts";
import { newFolder } from "../helpers/folders.ts";
import { closeAll, track } from "../helpers/stores.ts";

const test = suite("keys that are asked for again and again");
test.after.each(closeAll);

/** Plain ones, others than ASCII, empty, with zeros within and at the end, and what is no text. */
const KEYS = ["a", "größe/名", "", "a\0b", "a\0", "\0", 1, ["a", 1], new TextEncoder().encode("a")];
/** As often as it takes until a key is at hand. */
const ASKED = 4;

async function expectValue(engine: Engine, value: unknown): Promise<void> {
  for (const key of KEYS) {
    for (let i = 0; i < ASKED; i++) {
      assert.equal(await engine.get(key), value, `${key}`);
      assert.is(await engine.has(key), value !== undefined, `${key}`);
    }
  }
  assert.equal(
    await engine.getMany(KEYS),
    KEYS.map(() => value),
  );
}

for (const [what, text] of [
  ["short", ""],
  ["longer", "x".repeat(1_000)],
  ["long", "x".repeat(10_000)],
] as const) {
  test(`${what} values are those that were put last, by each way to put and delete`, async () => {
    const engine = track(await openEngine(newFolder()));
    await expectValue(engine, undefined);
    for (const key of KEYS) await engine.put(key, { text, by: "put" });
    await expectValue(engine, { text, by: "put" });
    for (const key of KEYS) await engine.put(key, { text, by: "another put" });
    await expectValue(engine, { text, by: "another put" });
    const again = KEYS.map((key) => ({ type: "put" as const, key, value: { text, by: "batch" } }));
    await engine.batch(again);
    await expectValue(engine, { text, by: "batch" });
    for (const key of KEYS) assert.is(await engine.del(key), true);
    await expectValue(engine, undefined);
    await engine.batch(again);
    await expectValue(engine, { text, by: "batch" });
    await engine.batch(KEYS.map((key) => ({ type: "del", key })));
    await expectValue(engine, undefined);
  });
}

test("a batch that fails leaves what was there", async () => {
  const engine = track(await openEngine(newFolder()));
  for (const key of KEYS) await engine.put(key, "first");
  await expectValue(engine, "first");
  const puts = KEYS.map((key) => ({ type: "put" as const, key, value: "second" }));
  const failing = engine.batch([...puts, { type: "put", key: "a", value: "third", ifAbsent: true }]);
  assert.is(await failing.catch((error) => error.code), "CONFLICT");
  await expectValue(engine, "first");
  const news = KEYS.map((key) => ({ type: "put" as const, key: ["new", `${key}`], value: "second" }));
  const failingToo = engine.batch([...news, { type: "put", key: "a", value: "third", ifAbsent: true }]);
  assert.is(await failingToo.catch((error) => error.code), "CONFLICT");
  for (const { key } of news) assert.is(await engine.has(key), false);
});

test("a key's text is that which it was made from, whatever is in it", () => {
  for (const key of KEYS) assert.is(textOfKey(encodeKey(key)), typeof key === "string" ? key : undefined);
});

const rowAt = (offset: number, inline?: Buffer): Row => ({
  ...{ sequence: 7, time: 0, tag: 0, weak: false, references: [], blob: undefined, cachedAt: NOT_CACHED },
  place: { segment: 1, offset, payloadLength: 8 },
  inline,
});
const found = (offset: number, inline?: Buffer): FamilyRow => ({
  key: Buffer.from([offset]),
  row: rowAt(offset, inline),
});

test("a row is kept from the second time on, also where others of its batch were asked for before", () => {
  const families = new Families(() => undefined);
  families.found("a", found(64));
  families.found("b", found(128));
  assert.is(families.get("a"), undefined);
  assert.is(families.get("b"), undefined);
  families.found("b", found(128));
  assert.is(families.get("b")!.row.place.offset, 128);
});

test("what was written is kept without the memory around it", () => {
  const families = new Families((key) => String(key[0]));
  const first = found(64);
  families.found("64", first);
  families.found("64", first);
  const chunk = Buffer.alloc(100_000, 1);
  families.wrote(first.key, rowAt(128, chunk.subarray(0, 5)));
  const { row } = families.get("64")!;
  assert.equal(row.inline, Buffer.alloc(5, 1));
  assert.is.not(row.inline!.buffer, chunk.buffer);
});

test("of more families than are kept those stay that are there, but not for ever", () => {
  const families = new Families(() => undefined);
  const ask = (name: string, offset: number) => {
    if (!families.get(name)) families.found(name, found(offset));
  };
  for (let round = 0; round < 4; round++) for (let i = 0; i < 12_000; i++) ask(`old ${i}`, 8 * i);
  const kept = Array.from({ length: 12_000 }, (_, i) => `old ${i}`).filter((name) => families.get(name));
  assert.ok(kept.length > 1_000);
  for (let round = 0; round < 200; round++)
    for (let i = 0; i < 1_000; i++) ask(`new ${i}`, 1_000_000 + 8 * i);
  assert.is(kept.filter((name) => families.get(name)).length, 0);
  const now = Array.from({ length: 1_000 }, (_, i) => `new ${i}`).filter((name) => families.get(name));
  assert.ok(now.length > 500);
});

test.run();

import assert from "node:assert";
import fastCheck from "fast-check";
import { suite } from "uvu";
import { decodeKey, encodeKey } from "../../engine/key.ts";
import type { Engine, RangeOptions } from "../../engine/key-value-api.ts";
import type { Step } from "./key-value-commands.ts";
import { anyKey, anyStep } from "./key-value-commands.ts";
import { compareKeys } from "./key-value-model.ts";
import { KeyValueRun, zero } from "./key-value-run.ts";
import { cleanUp, collect, newFolder, openTestEngine, parameters, useSmallSegments } from "./support.ts";

const test = suite("the key-value engine against a model");
test.after.each(cleanUp);

test("encoded keys sort in the documented order", () => {
  const property = fastCheck.property(anyKey, anyKey, (a, b) => {
    assert.strictEqual(Buffer.compare(encodeKey(a), encodeKey(b)), compareKeys(a, b));
  });
  fastCheck.assert(property, parameters(5_000));
});

test("a decoded key is the key that was encoded, but for the sign of zero", () => {
  const property = fastCheck.property(anyKey, (key) =>
    assert.deepStrictEqual(decodeKey(encodeKey(key)), zero(key)),
  );
  fastCheck.assert(property, parameters(3_000));
});

async function runSteps(
  steps: readonly Step[],
  durability: "durable" | "buffered",
  segmentBytesMax?: number,
): Promise<void> {
  const folder = newFolder();
  let segments: { close(): Promise<void> } | undefined;
  const reopen = async (engine: Engine | undefined) => {
    await engine?.close();
    await segments?.close();
    if (segmentBytesMax !== undefined) segments = await useSmallSegments(folder, "keyvalue", segmentBytesMax);
    return openTestEngine(folder, { durability });
  };
  try {
    await new KeyValueRun(reopen).run(steps);
  } finally {
    await cleanUp();
  }
}

const steps = fastCheck.array(anyStep, { maxLength: 60, size: "max" });

test("any sequence of operations agrees with a sorted map", async () => {
  const property = fastCheck.asyncProperty(steps, (all) => runSteps(all, "buffered"));
  await fastCheck.assert(property, parameters(100));
});

test("any sequence of operations agrees with a sorted map, each waiting for the disk", async () => {
  const property = fastCheck.asyncProperty(steps, (all) => runSteps(all, "durable"));
  await fastCheck.assert(property, parameters(20));
});

test("any sequence of operations agrees with a sorted map when segments are small", async () => {
  const size = fastCheck.integer({ min: 1, max: 5_000 });
  const property = fastCheck.asyncProperty(steps, size, (all, max) => runSteps(all, "buffered", max));
  await fastCheck.assert(property, parameters(50));
});

async function keysOf(engine: Engine, options: RangeOptions) {
  return (await collect(engine.range(options))).map(([key]) => key);
}

test("a prefix of array elements means whole elements, also where a string goes on with a zero", async () => {
  const engine = await openTestEngine(newFolder());
  for (const key of [["a"], ["a", 1], ["a", "\0"], ["a\0"], ["a\0b", 1], ["ab"]]) await engine.put(key, 1);
  const found = [["a"], ["a", 1], ["a", "\0"]];
  assert.deepStrictEqual(await keysOf(engine, { prefix: ["a"] }), found);
  assert.deepStrictEqual(await keysOf(engine, { prefix: ["a"], reverse: true }), found.reverse());
  assert.deepStrictEqual(await keysOf(engine, { prefix: ["a\0"] }), [["a\0"]]);
});

test("a batch that changes nothing gives the newest sequence number, not one that a later batch gets", async () => {
  const engine = await openTestEngine(newFolder());
  assert.deepStrictEqual(await engine.batch([]), { sequence: 0 });
  assert.deepStrictEqual(await engine.put("a", 1), { sequence: 1 });
  assert.deepStrictEqual(await engine.batch([{ type: "del", key: "b" }]), { sequence: 1 });
  assert.deepStrictEqual(await engine.put("a", 2), { sequence: 2 });
});

test.run();

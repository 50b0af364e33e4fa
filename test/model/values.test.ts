import assert from "node:assert";
import fastCheck from "fast-check";
import { suite } from "uvu";
import { encodeValue } from "../../engine/codec/cbor.ts";
import { anyValue } from "../codec/support.ts";
import {
  assertSame,
  cleanUp,
  collect,
  newFolder,
  openTestEngine,
  openTestStore,
  parameters,
} from "./support.ts";

const test = suite("values through the store and the engine");
test.after.each(cleanUp);

/** Values of every kind, and of every size at which they are kept another way: in the row, in the record, as a blob, read off the thread. */
const sizes = fastCheck.constantFrom(
  0,
  1,
  200,
  255,
  256,
  257,
  4_095,
  4_096,
  5_000,
  65_400,
  65_536,
  200_000,
  1_048_576,
);
const sized = fastCheck
  .tuple(sizes, fastCheck.nat(255))
  .chain(([size, byte]) =>
    fastCheck.constantFrom<unknown[]>(
      new Uint8Array(size).fill(byte),
      "x".repeat(size),
      { text: "é".repeat(size >> 1) },
      new Float64Array(size >> 3).fill(byte),
    ),
  );
const values = fastCheck.array(fastCheck.oneof({ weight: 6, arbitrary: anyValue }, sized), {
  minLength: 1,
  maxLength: 12,
});

/** What a value is expected to load as: a `Buffer` as the `Uint8Array` that it is. */
const asLoaded = (value: unknown) => (Buffer.isBuffer(value) ? new Uint8Array(value) : value);

/** Writes over everything that can be reached in a value. */
function scribble(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  if (ArrayBuffer.isView(value)) new Uint8Array(value.buffer, value.byteOffset, value.byteLength).fill(0xa5);
  else if (value instanceof ArrayBuffer) new Uint8Array(value).fill(0xa5);
  else if (value instanceof Date) value.setTime(12_345);
  else if (value instanceof Map || value instanceof Set) {
    for (const [key, item] of [...value.entries()]) for (const part of [key, item]) scribble(part);
    value.clear();
  } else {
    for (const key of Object.keys(value)) {
      scribble(Object.getOwnPropertyDescriptor(value, key)!.value);
      Object.defineProperty(value, key, { value: "scribbled" });
    }
    if (Array.isArray(value)) value.push("more");
    else Object.defineProperty(value, "more", { value: 1, enumerable: true, configurable: true });
  }
}

/** A value that shares no memory with the one it is a copy of, made without the code that is tried here. */
function copyOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof DataView)
    return new DataView(
      value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength) as ArrayBuffer,
    );
  if (Buffer.isBuffer(value)) return Buffer.from(value);
  if (ArrayBuffer.isView(value)) return (value as Uint8Array).slice();
  if (value instanceof ArrayBuffer) return value.slice(0);
  if (value instanceof Date) return new Date(value.getTime());
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [copyOf(key), copyOf(item)]));
  if (value instanceof Set) return new Set([...value].map(copyOf));
  if (Array.isArray(value)) return value.map(copyOf);
  const copy = Object.create(Object.getPrototypeOf(value)) as object;
  for (const key of Object.keys(value)) {
    const item = copyOf(Object.getOwnPropertyDescriptor(value, key)!.value);
    Object.defineProperty(copy, key, { value: item, enumerable: true, writable: true, configurable: true });
  }
  return copy;
}

test("any value comes back from the store as it was saved, also after it is opened again or its index rebuilt", async () => {
  const property = fastCheck.asyncProperty(values, async (all) => {
    const home = newFolder();
    let store = await openTestStore(home);
    const check = async () => {
      for (const [version, value] of all.entries()) {
        const ref = `v:${version}`;
        assertSame(await store.load(ref), asLoaded(value), `load of ${ref}`);
        const artifact = await store.get(ref);
        assertSame(await artifact.value(), asLoaded(value), `value of ${ref}`);
        const bytes = value instanceof Uint8Array ? value : encodeValue(value);
        assert.ok(Buffer.from(await artifact.bytes()).equals(bytes), `bytes of ${ref}`);
      }
    };
    for (const value of all) await store.save("v", value);
    await check();
    await store.rebuildIndex();
    await check();
    await store.close();
    store = await openTestStore(home);
    await check();
    await cleanUp();
  });
  await fastCheck.assert(property, parameters(40));
});

test("any value comes back from the engine as it was put, also after it is opened again or its index rebuilt", async () => {
  const property = fastCheck.asyncProperty(values, async (all) => {
    const folder = newFolder();
    let engine = await openTestEngine(folder);
    const check = async () => {
      const snapshot = engine.snapshot();
      for (const source of [engine, snapshot]) {
        for (const [key, value] of all.entries())
          assertSame(await source.get(key), asLoaded(value), `value ${key}`);
        const ranged = await collect(source.range());
        assertSame(
          ranged,
          all.map((value, key) => [key, asLoaded(value)]),
          "the range",
        );
      }
      await snapshot.close();
    };
    for (const [key, value] of all.entries()) await engine.put(key, value);
    await check();
    await engine.rebuildIndex();
    await check();
    await engine.close();
    engine = await openTestEngine(folder);
    await check();
    await cleanUp();
  });
  await fastCheck.assert(property, parameters(40));
});

test("changing a value right after save, batch.save or put, or what a read gave, changes nothing", async () => {
  const property = fastCheck.asyncProperty(values, async (all) => {
    const store = await openTestStore(newFolder());
    const engine = await openTestEngine(newFolder());
    const copies = () => all.map(copyOf);
    const given = [copies(), copies(), copies(), copies()];
    const written: Promise<unknown>[] = given[0]!.map((value, i) => store.save(`saved-${i}`, value));
    written.push(
      store.batch((batch) => {
        for (const value of given[1]!) batch.save("batched", value);
      }),
    );
    for (const [key, value] of given[2]!.entries()) written.push(engine.put(key, value));
    written.push(
      engine.batch(given[3]!.map((value, key) => ({ type: "put" as const, key: ["b", key], value }))),
    );
    scribble(given);
    await Promise.all(written);
    for (let round = 0; round < 2; round++) {
      for (const [i, value] of all.entries()) {
        const read = [
          store.load(`saved-${i}`),
          store.load(`batched:${i}`),
          engine.get(i),
          engine.get(["b", i]),
        ];
        const artifact = await store.get(`saved-${i}`);
        const loaded = await Promise.all([...read, artifact.value(), artifact.value()]);
        for (const one of loaded) {
          assertSame(one, asLoaded(value), `value ${i}, round ${round}`);
          scribble(one);
        }
        scribble(await artifact.bytes());
        for await (const piece of artifact.stream() as unknown as AsyncIterable<Uint8Array>) scribble(piece);
      }
      for (const [, value] of await collect(engine.range())) scribble(value);
    }
    await cleanUp();
  });
  await fastCheck.assert(property, parameters(40));
});

test("what is given beside a value is taken at the call too, and what an artifact shows is its own", async () => {
  const store = await openTestStore(newFolder());
  await store.save("in", 1);
  const options = { tags: { stage: "dev" }, metadata: { deep: { list: [1] } }, inputs: ["in"] };
  const saving = store.save("a", 1, options);
  scribble(options);
  const saved = await saving;
  const check = async () => {
    const { tags, metadata, inputs } = await store.get("a");
    assert.deepStrictEqual(
      { tags, metadata, inputs },
      { tags: { stage: "dev" }, metadata: { deep: { list: [1] } }, inputs: ["in:0"] },
    );
  };
  await check();
  for (const artifact of [saved, await store.get("a")]) {
    scribble(artifact.tags);
    scribble(artifact.metadata);
    scribble(artifact.inputs);
    artifact.createdAt.setTime(0);
  }
  await check();
});

test("a buffer of a megabyte that is changed right after save is kept as it was", async () => {
  const store = await openTestStore(newFolder(), { durability: "durable" });
  for (const size of [0, 1, 4_096, 65_536, 1_048_575, 1_048_576]) {
    const buffer = Buffer.alloc(size, 7);
    const saving = store.save("b", buffer);
    buffer.fill(9);
    const saved = await saving;
    assertSame(await store.load(saved), new Uint8Array(size).fill(7), `${size} bytes`);
  }
});

test.run();

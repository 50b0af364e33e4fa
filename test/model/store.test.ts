import assert from "node:assert";
import fastCheck from "fast-check";
import { suite } from "uvu";
import type { Artifact, ArtifactStore } from "../../engine/api.ts";
import type { Call } from "./store-commands.ts";
import { anyCall, anyLargeCall } from "./store-commands.ts";
import { StoreRun } from "./store-run.ts";
import { cleanUp, newFolder, openTestStore, parameters, useSmallSegments } from "./support.ts";

const test = suite("the store against a model");
test.after.each(cleanUp);

interface Setting {
  durability: "durable" | "buffered";
  segmentBytesMax: number | undefined;
}

/** Runs calls on a new store, which is opened anew (with segments of that size) whenever the run asks. */
async function runCalls(
  calls: readonly Call[],
  { durability, segmentBytesMax }: Setting,
  isExact = true,
): Promise<void> {
  const home = newFolder();
  let segments: { close(): Promise<void> } | undefined;
  const reopen = async (store: ArtifactStore | undefined, clock: () => Date) => {
    await store?.close();
    await segments?.close();
    if (segmentBytesMax !== undefined)
      segments = await useSmallSegments(home, "artifact", segmentBytesMax, clock);
    return openTestStore(home, { durability, clock });
  };
  try {
    await new StoreRun(reopen, isExact).run(calls);
  } finally {
    await cleanUp();
  }
}

const calls = fastCheck.array(anyCall, { maxLength: 60, size: "max" });

test("any sequence of calls agrees with the model", async () => {
  const property = fastCheck.asyncProperty(calls, (all) =>
    runCalls(all, { durability: "buffered", segmentBytesMax: undefined }),
  );
  await fastCheck.assert(property, parameters(150));
});

test("any sequence of calls agrees with the model, each waiting for the disk", async () => {
  const property = fastCheck.asyncProperty(calls, (all) =>
    runCalls(all, { durability: "durable", segmentBytesMax: undefined }),
  );
  await fastCheck.assert(property, parameters(30));
});

test("any sequence of calls agrees with the model when segments are small", async () => {
  const property = fastCheck.asyncProperty(calls, fastCheck.integer({ min: 1, max: 5_000 }), (all, size) =>
    runCalls(all, { durability: "buffered", segmentBytesMax: size }),
  );
  await fastCheck.assert(property, parameters(50));
});

test("any sequence of calls with large values agrees with the model", async () => {
  const segments = fastCheck.constantFrom(undefined, 1_000_000, 100_000);
  const large = fastCheck.array(anyLargeCall, { maxLength: 30, size: "max" });
  const property = fastCheck.asyncProperty(large, segments, (all, segmentBytesMax) =>
    runCalls(all, { durability: "buffered", segmentBytesMax }, false),
  );
  await fastCheck.assert(property, parameters(10));
});

test("lists go over more versions and names than one page has, from the state that they began with", async () => {
  const store = await openTestStore(newFolder());
  await store.batch((batch) => {
    for (let i = 0; i < 300; i++) for (const name of ["many", `name ${1000 + i}`]) batch.save(name, i);
  });
  const refs = async (artifacts: AsyncIterable<Artifact>) => {
    const all: string[] = [];
    for await (const { ref } of artifacts) {
      if (all.length === 0) await store.save("many", "meanwhile");
      all.push(ref);
    }
    return all;
  };
  const versions = Array.from({ length: 300 }, (_, i) => `many:${i}`);
  const names = Array.from({ length: 300 }, (_, i) => `name ${1000 + i}:0`);
  const meanwhile = ["many:300", "many:301", "many:302", "many:303"];
  assert.deepStrictEqual(await refs(store.versions("many")), versions);
  assert.deepStrictEqual(
    await refs(store.list({ name: "many", allVersions: true })),
    [...versions, meanwhile[0]].reverse(),
  );
  assert.deepStrictEqual(await refs(store.list()), [meanwhile[1], ...names]);
  const all = [...names.reverse(), ...versions, ...meanwhile.slice(0, 3)];
  assert.deepStrictEqual(await refs(store.list({ allVersions: true, reverse: true })), all);
});

test("undelete brings back the aliases that are still free and leaves the others where they went", async () => {
  const store = await openTestStore(newFolder());
  for (const value of [1, 2]) await store.save("a", value);
  for (const alias of ["free", "taken"]) await store.setAlias("a", alias, 0);
  const report = await store.delete("a:0", { aliases: true });
  assert.deepStrictEqual(report, { deleted: ["a:0"], aliases: ["a@free", "a@taken"] });
  await store.setAlias("a", "taken", 1);
  assert.deepStrictEqual((await store.undelete("a:0")).aliases, ["free"]);
  assert.deepStrictEqual(await store.aliases("a"), { free: 0, taken: 1 });
});

test("counts stay the same when the index is rebuilt, also with environments and long code that versions share", async () => {
  const store = await openTestStore(newFolder(), { environment: [] });
  const code = `() => ${"1 + ".repeat(200)}1`;
  for (const value of [1, 1, 2]) await store.save("a", value, { code });
  await store.delete("a:1", {});
  const counts = async () => {
    const { indexBytes, ...stats } = await store.stats();
    return stats;
  };
  const [before, shown] = [await counts(), await store.get("a")];
  await store.rebuildIndex();
  assert.deepStrictEqual(await counts(), before);
  assert.deepStrictEqual(await store.get("a"), shown);
  await store.undelete("a:1");
  const after = await counts();
  await store.rebuildIndex();
  assert.deepStrictEqual(await counts(), after);
  assert.deepStrictEqual((await store.verify({ full: true })).problems, []);
});

test.run();

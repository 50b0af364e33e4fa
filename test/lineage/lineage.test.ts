import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore, LineageGraph, LineageOptions } from "../../engine/api.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { WatchedFiles } from "../helpers/files.ts";
import { newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, newStore, openSeamStore, openTestStore } from "../helpers/stores.ts";

const test = suite("lineage");
test.after.each(closeAll);

/** Its nodes as `ref level`, and its edges as `from > to`. */
function shape(graph: LineageGraph): { nodes: string[]; edges: string[] } {
  return {
    nodes: graph.nodes.map(({ ref, level }) => `${ref} ${level}`),
    edges: graph.edges.map(({ from, to }) => `${from} > ${to}`),
  };
}

/** raw → clean → model → report, and clean → chart. */
async function irisStore(): Promise<ArtifactStore> {
  const store = await newStore();
  await store.save("raw", 1);
  await store.save("clean", 2, { inputs: ["raw"] });
  await store.save("model", 3, { inputs: ["clean"] });
  await store.save("chart", 4, { inputs: ["clean:0"] });
  await store.save("report", 5, { inputs: ["model", "clean"] });
  return store;
}

test("both directions are followed to their ends, the artifact itself first", async () => {
  const store = await irisStore();
  const graph = await store.lineage("model");
  assert.equal(shape(graph), {
    nodes: ["model:0 0", "clean:0 -1", "raw:0 -2", "report:0 1"],
    edges: ["clean:0 > model:0", "raw:0 > clean:0", "model:0 > report:0"],
  });
  assert.is(graph.complete, true);
  const { ref, name, version, digest, deleted } = graph.nodes[1]!;
  assert.equal(
    { ref, name, version, deleted },
    { ref: "clean:0", name: "clean", version: 0, deleted: false },
  );
  assert.is(digest, (await store.get("clean")).digest);
});

test("direction and depth bound the graph", async () => {
  const store = await irisStore();
  const nodes = async (options: LineageOptions) => shape(await store.lineage("clean", options)).nodes;
  assert.equal(await nodes({ direction: "up" }), ["clean:0 0", "raw:0 -1"]);
  assert.equal(await nodes({ direction: "down", depth: 1 }), [
    "clean:0 0",
    "chart:0 1",
    "model:0 1",
    "report:0 1",
  ]);
  assert.equal(await nodes({ depth: 0 }), ["clean:0 0"]);
  assert.equal(shape(await store.lineage("raw", { depth: 2 })).nodes, [
    "raw:0 0",
    "clean:0 1",
    "chart:0 2",
    "model:0 2",
    "report:0 2",
  ]);
});

test("each version has its own lineage, and refs, aliases and artifacts ask for it", async () => {
  const store = await newStore();
  const input = await store.save("in", 1);
  await store.save("in", 2);
  await store.save("out", 1, { inputs: [input] });
  await store.save("out", 2, { inputs: ["in"] });
  await store.setAlias("out", "first", 0);
  assert.equal(shape(await store.lineage("out@first")).edges, ["in:0 > out:0"]);
  assert.equal(shape(await store.lineage("out")).edges, ["in:1 > out:1"]);
  assert.equal(shape(await store.lineage(input)).edges, ["in:0 > out:0"]);
});

test("an input named twice is one edge, and a diamond has each node once", async () => {
  const store = await newStore();
  await store.save("a", 1);
  await store.save("b", 1, { inputs: ["a", "a:0", "a:latest"] });
  await store.save("c", 1, { inputs: ["a"] });
  await store.save("d", 1, { inputs: ["b", "c"] });
  assert.equal(shape(await store.lineage("a")), {
    nodes: ["a:0 0", "b:0 1", "c:0 1", "d:0 2"],
    edges: ["a:0 > b:0", "a:0 > c:0", "b:0 > d:0", "c:0 > d:0"],
  });
  assert.equal((await store.get("b")).inputs, ["a:0", "a:0", "a:0"]);
});

test("deleted versions stay part of it and say that they are, and come back with undelete", async () => {
  const store = await irisStore();
  await store.delete("report:0");
  await store.delete("clean:0");
  const deleted = async () =>
    (await store.lineage("model")).nodes.filter((node) => node.deleted).map(({ ref }) => ref);
  assert.equal(await deleted(), ["clean:0", "report:0"]);
  assert.equal(shape(await store.lineage("raw")).nodes.length, 5);
  await store.undelete("clean:0");
  assert.equal(await deleted(), ["report:0"]);
});

test("of a name that begins like another, only its own consumers are found", async () => {
  const store = await newStore();
  for (const name of ["a", "a/b", "ab"]) await store.save(name, 1);
  for (let i = 0; i < 300; i++) await store.save("a", i);
  await store.save("x", 1, { inputs: ["a:0"] });
  await store.save("y", 1, { inputs: ["a/b"] });
  await store.save("z", 1, { inputs: ["a:256"] });
  assert.equal(shape(await store.lineage("a:0")).edges, ["a:0 > x:0"]);
  assert.equal(shape(await store.lineage("a/b")).edges, ["a/b:0 > y:0"]);
  assert.equal(shape(await store.lineage("a:256")).edges, ["a:256 > z:0"]);
  assert.equal(shape(await store.lineage("a:1")).edges, []);
});

test("pending saves of a batch are inputs of later ones, and a failed batch leaves no edge", async () => {
  const store = await newStore();
  await store.batch((batch) => {
    const a = batch.save("a", 1);
    const b = batch.save("b", 1, { inputs: [a] });
    batch.save("c", 1, { inputs: [a, b] });
  });
  const failing = store.batch((batch) => {
    batch.save("d", 1, { inputs: ["a"] });
    batch.delete("nothing:0");
  });
  await failureNotFound(failing);
  assert.equal(shape(await store.lineage("a")).edges, ["a:0 > b:0", "a:0 > c:0", "b:0 > c:0"]);
});

async function failureNotFound(call: Promise<unknown>): Promise<void> {
  await failureWithHint(call, "NOT_FOUND");
}

test("names of full length have edges", async () => {
  const store = await newStore();
  const [long, other] = ["é".repeat(256), "x".repeat(512)];
  await store.save(long, 1);
  await store.save(other, 1, { inputs: [long] });
  assert.equal(shape(await store.lineage(long)).edges, [`${long}:0 > ${other}:0`]);
});

test("a rebuild of the index, and another opening, give the same graph", async () => {
  const store = await irisStore();
  await store.delete("chart:0");
  const before = await store.lineage("raw");
  await store.rebuildIndex();
  assert.equal(await store.lineage("raw"), before);
  assert.is((await store.verify({ full: true })).ok, true);
  const { home } = store;
  await store.close();
  assert.equal(await (await openTestStore(home, { readOnly: true })).lineage("raw"), before);
});

test("a save without inputs writes no edge, and one with n inputs writes n", async () => {
  const store = await newStore();
  const records = async () => (await store.verify()).records;
  await store.save("a", 1);
  await store.save("b", 2);
  const before = await records();
  await store.save("c", 1);
  assert.is((await records()) - before, 1);
  await store.save("d", 1, { inputs: ["a", "b"] });
  assert.is((await records()) - before, 1 + 1 + 2);
});

test("what was made from a version is found without reading the log", async () => {
  const files = new WatchedFiles();
  const store = await openSeamStore(newFolder(), { files });
  await store.save("in", 1);
  await store.batch((batch) => {
    for (let i = 0; i < 500; i++) {
      batch.save(`out${i}`, i, { inputs: ["in"], metadata: { long: "x".repeat(500) } });
    }
  });
  await store.get("in");
  files.counts.readBytes = 0;
  assert.is((await store.lineage("in", { direction: "down" })).nodes.length, 501);
  assert.is(files.counts.readBytes, 0);
});

test("random graphs are found as they were made, in both directions and at every depth", async () => {
  const random = new Random("lineage");
  const store = await newStore({ durability: "buffered" });
  const inputsOf = new Map<string, string[]>();
  for (let i = 0; i < 120; i++) {
    const known = [...inputsOf.keys()];
    const inputs = Array.from({ length: random.below(4) }, () => known[random.below(known.length)]!);
    const { ref } = await store.save(`n${random.below(30)}`, i, { inputs: known.length > 0 ? inputs : [] });
    inputsOf.set(ref, known.length > 0 ? [...new Set(inputs)] : []);
  }
  const neighbours = {
    up: (ref: string) => inputsOf.get(ref)!,
    down: (ref: string) => [...inputsOf.keys()].filter((other) => inputsOf.get(other)!.includes(ref)),
  };
  for (const root of inputsOf.keys()) {
    for (const direction of ["up", "down"] as const) {
      const depth = random.below(2) === 0 ? undefined : random.below(4);
      const found = await store.lineage(root, { direction, ...(depth !== undefined && { depth }) });
      const reached = new Set([root]);
      let level = [root];
      for (let i = 0; i < (depth ?? 1000) && level.length > 0; i++) {
        level = [...new Set(level.flatMap(neighbours[direction]))].filter((ref) => !reached.has(ref));
        for (const ref of level) reached.add(ref);
      }
      const label = `${root} ${direction} ${depth} seed ${random.seed}`;
      assert.equal(found.nodes.map(({ ref }) => ref).sort(), [...reached].sort(), label);
      for (const { from, to } of found.edges) assert.ok(inputsOf.get(to)!.includes(from), label);
    }
  }
});

test("what is not there, or no direction or depth, is refused", async () => {
  const store = await irisStore();
  await failureWithHint(store.lineage("nothing"), "NOT_FOUND");
  await failureWithHint(store.lineage("raw:7"), "NOT_FOUND");
  await store.delete("chart:0");
  await failureWithHint(store.lineage("chart:0"), "NOT_FOUND");
  await failureWithHint(store.lineage("raw:all"), "INVALID_ARGUMENT");
  for (const options of [{ direction: "left" }, { depth: -1 }, { depth: 1.5 }, { depth: "1" }] as never[]) {
    await failureWithHint(store.lineage("raw", options), "INVALID_ARGUMENT");
  }
});

test.run();

import assert from "node:assert";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import fastCheck from "fast-check";
import { suite } from "uvu";
import type { Artifact, ArtifactStore } from "../../engine/api.ts";
import { VarveError } from "../../engine/errors.ts";
import type { Outcome } from "./support.ts";
import {
  cleanUp,
  collect,
  newFolder,
  openTestEngine,
  openTestStore,
  outcomeOf,
  parameters,
} from "./support.ts";

const test = suite("many calls at once");
test.after.each(cleanUp);

type Durability = "durable" | "buffered";

/** Three handles of one home: two by its path, one through a link. */
async function threeStores(durability: Durability, folder = newFolder()): Promise<ArtifactStore[]> {
  const home = join(folder, "home");
  const first = await openTestStore(home, { durability });
  symlinkSync(home, join(folder, "link"));
  return [
    first,
    await openTestStore(home, { durability }),
    await openTestStore(join(folder, "link"), { durability }),
  ];
}

type Kind =
  | "save"
  | "big"
  | "batch"
  | "failing"
  | "delete"
  | "alias"
  | "annotate"
  | "read"
  | "list"
  | "verify"
  | "stats"
  | "rebuild";
interface Call {
  handle: number;
  kind: Kind;
  name: "a" | "b";
}

const kinds = fastCheck.oneof(
  { weight: 10, arbitrary: fastCheck.constantFrom<Kind[]>("save", "batch", "failing") },
  {
    weight: 8,
    arbitrary: fastCheck.constantFrom<Kind[]>("big", "delete", "alias", "annotate", "read", "list"),
  },
  { weight: 1, arbitrary: fastCheck.constantFrom<Kind[]>("verify", "stats", "rebuild") },
);
const anyCall: fastCheck.Arbitrary<Call> = fastCheck.record({
  handle: fastCheck.nat(2),
  kind: kinds,
  name: fastCheck.constantFrom("a" as const, "b" as const),
});
const calls = fastCheck.array(fastCheck.tuple(anyCall, fastCheck.boolean()), { maxLength: 120, size: "max" });

/** Starts a call; gives the artifacts that it saved. */
async function start(store: ArtifactStore, { kind, name }: Call, i: number): Promise<Artifact[]> {
  if (kind === "save") return [await store.save(name, i)];
  if (kind === "big") return [await store.save(name, new Uint8Array(100_000).fill(i))];
  if (kind === "batch") {
    return store.batch((batch) => {
      const pending = batch.save(name, i);
      batch.setAlias(name, "newest", pending);
      batch.save(name, -i);
    });
  }
  if (kind === "failing") {
    // Small and large values, new ones and some that others save too, of which nothing may stay.
    return store.batch((batch) => {
      for (const value of [i, i + 1, new Uint8Array(100_000).fill(i + 1), `only here ${i}`])
        batch.save(name, value);
      batch.setAlias(name, "newest", 0);
      batch.delete(`${name}:all`, { aliases: true });
      batch.deleteAlias(name, "never");
    });
  }
  if (kind === "delete") await store.delete(`${name}:latest`, { aliases: i % 2 === 0 });
  else if (kind === "alias") await store.setAlias(name, "prod", i % 5);
  else if (kind === "annotate") await store.annotate(name, { tags: { i: String(i) } });
  else if (kind === "stats") await store.stats();
  else if (kind === "rebuild") await store.rebuildIndex();
  else if (kind === "verify") assert.deepStrictEqual((await store.verify({ full: true })).problems, []);
  else if (kind === "read") await store.load(name);
  else await collect(store.list({ allVersions: true, name: "**" }));
  return [];
}

const shown = ({ ref, digest, sequence, tags, aliases, deleted }: Artifact) => ({
  ref,
  digest,
  sequence,
  tags,
  aliases,
  deleted,
});

async function contents(store: ArtifactStore) {
  const { indexBytes, ...stats } = await store.stats();
  const live = (await collect(store.list({ allVersions: true }))).map(shown);
  const deleted = (await collect(store.list({ deleted: true }))).map(shown);
  return { stats, live, deleted, a: await store.aliases("a"), b: await store.aliases("b") };
}

/** Versions of a name are 0, 1, 2 …, and those of one handle are in the order of its calls, batches apart: their function may take its time. */
function checkOrder(saved: { call: Call; artifacts: Artifact[] }[]): void {
  for (const name of ["a", "b"]) {
    const versions = saved.flatMap(({ artifacts }) => artifacts.filter((one) => one.name === name));
    const numbers = versions.map(({ version }) => version).sort((x, y) => x - y);
    assert.deepStrictEqual(numbers, [...numbers.keys()], `versions of ${name}`);
    const bySequence = versions.toSorted((x, y) => x.sequence - y.sequence || x.version - y.version);
    assert.deepStrictEqual(
      bySequence.map(({ version }) => version),
      numbers,
      `sequence numbers of ${name}`,
    );
  }
  for (const handle of [0, 1, 2]) {
    const sequences = saved
      .flatMap(({ call, artifacts }) => (call.handle === handle && call.kind !== "batch" ? artifacts : []))
      .map((one) => one.sequence);
    assert.deepStrictEqual(
      sequences,
      sequences.toSorted((x, y) => x - y),
      `order of the calls on handle ${handle}`,
    );
  }
}

async function runCalls(all: readonly (readonly [Call, boolean])[], durability: Durability): Promise<void> {
  const folder = newFolder();
  const stores = await threeStores(durability, folder);
  const running: Promise<{ call: Call; artifacts: Artifact[] }>[] = [];
  for (const [i, [call, pause]] of all.entries()) {
    const outcome: Promise<Outcome> = outcomeOf(() => start(stores[call.handle]!, call, i));
    running.push(
      outcome.then((ended) => {
        if ("result" in ended) return { call, artifacts: ended.result as Artifact[] };
        assert.ok(["NOT_FOUND", "CONFLICT"].includes(ended.code), `${call.kind} came to ${ended.code}`);
        return { call, artifacts: [] };
      }),
    );
    if (pause) await new Promise((resolve) => setImmediate(resolve));
  }
  const ended = await Promise.all(running);
  checkOrder(ended);
  const [first, second, linked] = stores as [ArtifactStore, ArtifactStore, ArtifactStore];
  const before = await contents(first);
  const saved = ended.reduce((sum, { artifacts }) => sum + artifacts.length, 0);
  assert.strictEqual(before.stats.versions + before.stats.deletedVersions, saved);
  for (const store of [second, linked]) assert.deepStrictEqual(await contents(store), before);
  assert.deepStrictEqual((await linked.verify({ full: true })).problems, []);
  await second.rebuildIndex();
  assert.deepStrictEqual(await contents(first), before);
  // Not waited for: the next one opens while these close.
  const closing = stores.map((store) => store.close());
  const again = await openTestStore(join(folder, "link"), { durability });
  assert.deepStrictEqual(await contents(again), before);
  await Promise.all(closing);
  assert.strictEqual((await again.save("c", 1)).sequence, before.stats.sequence + 1);
  await cleanUp();
}

test("calls at once on three handles of one home give distinct, consecutive versions in the order of the calls", async () => {
  const property = fastCheck.asyncProperty(calls, (all) => runCalls(all, "buffered"));
  await fastCheck.assert(property, parameters(60));
});

test("calls at once on three handles of one home, each waiting for the disk, do so too", async () => {
  const property = fastCheck.asyncProperty(calls, (all) => runCalls(all, "durable"));
  await fastCheck.assert(property, parameters(30));
});

test("of many saves at once with the same ifVersion one is done and the others are CONFLICT", async () => {
  const stores = await threeStores("durable");
  for (const ifVersion of ["absent", 0, 1] as const) {
    const attempts = Array.from({ length: 30 }, (_, i) =>
      outcomeOf(() => stores[i % 3]!.save("a", i, { ifVersion })),
    );
    const outcomes = await Promise.all(attempts);
    assert.strictEqual(outcomes.filter((outcome) => "result" in outcome).length, 1);
    assert.strictEqual(
      outcomes.filter((outcome) => "code" in outcome && outcome.code === "CONFLICT").length,
      29,
    );
  }
});

test("counting with ifSequence on three handles of one engine loses no step", async () => {
  const folder = newFolder();
  const home = join(folder, "home");
  const engines = [await openTestEngine(home), await openTestEngine(home, { durability: "durable" })];
  symlinkSync(home, join(folder, "link"));
  engines.push(await openTestEngine(join(folder, "link")));
  let sequence = (await engines[0]!.put("count", 0)).sequence;
  const won: number[] = [];
  for (let round = 0; round < 30; round++) {
    const attempts = engines.map(async (engine, i) => {
      const outcome = await outcomeOf(() => engine.put("count", round + 1, { ifSequence: sequence }));
      if ("result" in outcome) won.push(i);
      else assert.strictEqual(outcome.code, "CONFLICT");
      return outcome;
    });
    const winners = (await Promise.all(attempts)).flatMap((outcome) =>
      "result" in outcome ? [outcome.result] : [],
    );
    sequence = (winners[0] as { sequence: number }).sequence;
  }
  assert.strictEqual(won.length, 30);
  for (const engine of engines) assert.strictEqual(await engine.get("count"), 30);
});

test("the index is rebuilt under reads, ranges, snapshots and a verification without anyone noticing", async () => {
  const engine = await openTestEngine(newFolder());
  const keys = Array.from({ length: 500 }, (_, i) => i);
  await engine.batch(keys.map((key) => ({ type: "put" as const, key, value: key })));
  const snapshot = engine.snapshot();
  const read: Promise<unknown>[] = [];
  for (let round = 0; round < 5; round++) {
    const rebuilt = engine.rebuildIndex();
    let done = false;
    void rebuilt.finally(() => (done = true)).catch(() => {});
    read.push(engine.verify({ full: true }).then(({ problems }) => assert.deepStrictEqual(problems, [])));
    read.push(collect(engine.range()).then((all) => assert.strictEqual(all.length, 500)));
    read.push(collect(snapshot.range()).then((all) => assert.strictEqual(all.length, 500)));
    for (let i = 0; !done; i++) {
      assert.strictEqual(await engine.get(i % 500), i % 500);
      if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await rebuilt;
  }
  await Promise.all(read);
  await snapshot.close();
});

test("a folder that is open as a store is no engine's, nor the other way round", async () => {
  const refused = (error: unknown) => error instanceof VarveError && error.code === "INVALID_ARGUMENT";
  const home = newFolder();
  await openTestStore(home);
  await assert.rejects(openTestEngine(home), refused);
  const folder = newFolder();
  await openTestEngine(folder);
  await assert.rejects(openTestStore(folder), refused);
});

test.run();

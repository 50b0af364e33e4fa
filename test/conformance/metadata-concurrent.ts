import * as assert from "node:assert/strict";
import type { MetadataStore, UnitResult, VersionRecord } from "../../engine/main.ts";
import type { MetadataTesting } from "./metadata-support.ts";
import {
  all,
  apply,
  at,
  latest,
  refsOf,
  save,
  saved,
  storeTests,
  succeeded,
  unit,
} from "./metadata-support.ts";

const HANDLES = 3;
const CALLS = 40;

/** Many calls at once, of many handles in one process. */
export function concurrentTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "many at once");

  test("saves of one name get consecutive versions, none fails", async (store, { again }) => {
    const handles = await handlesOf(store, again);
    const records = await Promise.all(
      handles.flatMap((handle) => Array.from({ length: CALLS }, () => saved(handle, "a"))),
    );
    checkNumbers(records);
    assert.equal((await store.counts()).versions, HANDLES * CALLS);
    assert.deepEqual(
      (await all(store.versions("a"))).map(({ version }) => version),
      records.map((_, i) => i),
    );
  });

  test("of calls with many units too, each unit whole", async (store, { again }) => {
    const handles = await handlesOf(store, again);
    const results = await Promise.all(
      handles.flatMap((handle) =>
        Array.from({ length: 5 }, () =>
          handle.commit(Array.from({ length: 20 }, () => unit([save("a"), save("b"), save("a")]))),
        ),
      ),
    );
    const units = results.flat().map(succeeded);
    assert.equal(new Set(units.map(({ sequence }) => sequence)).size, units.length);
    for (const { versions } of units) assert.equal(versions[2]!.version, versions[0]!.version + 1);
    assert.equal((await store.counts()).versions, units.length * 3);
  });

  test("of those that save only behind the same version, one wins", async (store, { again }) => {
    const handles = await handlesOf(store, again);
    for (let round = 0; round < 5; round++) {
      const ifVersion = round === 0 ? ("absent" as const) : round - 1;
      const results = await Promise.all(
        handles.flatMap((handle) => [0, 1, 2].map(() => handle.commit([unit([save("a", { ifVersion })])]))),
      );
      const outcomes = results.flat();
      assert.equal(outcomes.filter((outcome) => !(outcome instanceof Error)).length, 1);
      for (const outcome of outcomes)
        if (outcome instanceof Error) assert.equal((outcome as Error & { code: string }).code, "CONFLICT");
    }
    assert.equal((await store.find(latest("a")))?.version, 4);
  });

  test("a read sees what was committed before it began, by whomever", async (store, { again }) => {
    const other = await again();
    for (let i = 0; i < 30; i++) {
      await saved(i % 2 === 0 ? store : other, "a");
      const reader = i % 2 === 0 ? other : store;
      assert.equal((await reader.find(latest("a")))?.version, i);
      assert.equal((await reader.at("a", i))?.version, i);
      assert.equal((await refsOf(reader, { mode: "latest" }))[0], `a:${i}`);
      assert.equal((await all(reader.versions("a"))).length, i + 1);
      assert.equal((await reader.counts()).versions, i + 1);
      await apply(reader, { kind: "alias", name: "a", alias: "x", version: i });
      assert.deepEqual(await store.aliases("a"), { x: i });
      assert.deepEqual(await other.aliases("a"), { x: i });
    }
  });

  test("deletes, undeletes and annotations at once end in one state, whole", async (store, { again }) => {
    const handles = await handlesOf(store, again);
    await store.commit(Array.from({ length: 10 }, () => unit([save("a")])));
    const calls = handles.flatMap((handle, i) =>
      Array.from({ length: CALLS }, (_, j) => handle.commit([unit([changeOf(i, j)])])),
    );
    for (const [outcome] of await Promise.all(calls))
      if (outcome instanceof Error)
        assert.match((outcome as Error & { code: string }).code, /^(NOT_FOUND|CONFLICT)$/);
    const live = await all(store.versions("a"));
    const aliases = await store.aliases("a");
    for (const [alias, version] of Object.entries(aliases)) {
      const target = live.find((record) => record.version === version);
      assert.ok(target?.aliases.includes(alias), `${alias} points at what is live`);
    }
    const counts = await store.counts();
    assert.deepEqual([counts.versions, counts.versions + counts.deletedVersions], [live.length, 10]);
    assert.deepEqual(await store.check(), []);
  });

  test("names that never meet do not wait for each other's failures", async (store, { again }) => {
    const handles = await handlesOf(store, again);
    const results: (UnitResult | Error)[] = (
      await Promise.all(
        handles.flatMap((handle, i) =>
          Array.from({ length: CALLS }, (_, j) =>
            handle.commit([unit([save(`n${i}/${j}`)]), unit([save("x", { inputs: [latest("none")] })])]),
          ),
        ),
      )
    ).flat();
    assert.equal(results.filter((result) => result instanceof Error).length, HANDLES * CALLS);
    const made = results.flatMap((result) => (result instanceof Error ? [] : result.versions));
    checkNumbers(made, false);
  });
}

async function handlesOf(
  store: MetadataStore,
  again: () => Promise<MetadataStore>,
): Promise<MetadataStore[]> {
  const handles = [store];
  while (handles.length < HANDLES) handles.push(await again());
  return handles;
}

function changeOf(i: number, j: number) {
  const version = (i + j) % 10;
  switch ((i * 7 + j) % 4) {
    case 0:
      return { kind: "delete", target: at("a", version), aliases: j % 2 === 0 } as const;
    case 1:
      return { kind: "undelete", name: "a", version } as const;
    case 2:
      return { kind: "alias", name: "a", alias: `x${j % 5}`, version } as const;
    default:
      return { kind: "annotate", target: at("a", version), tags: { by: `${i}` } } as const;
  }
}

/** Sequence numbers, and versions where they are all of one name: no gaps, and each once. */
function checkNumbers(records: readonly VersionRecord[], ofOneName = true): void {
  const sequences = records.map(({ sequence }) => sequence).sort((a, b) => a - b);
  assert.deepEqual(
    sequences,
    records.map((_, i) => sequences[0]! + i),
    "sequence numbers without gaps",
  );
  if (!ofOneName) return;
  const versions = records.map(({ version }) => version).sort((a, b) => a - b);
  assert.deepEqual(
    versions,
    records.map((_, i) => i),
    "consecutive versions",
  );
  const inOrder = [...records].sort((a, b) => a.sequence - b.sequence);
  assert.deepEqual(
    inOrder.map(({ version }) => version),
    versions,
    "in the order of the sequence",
  );
}

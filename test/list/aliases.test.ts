import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AliasRows } from "../../engine/alias-rows.ts";
import type { ArtifactStore, ListFilter } from "../../engine/api.ts";
import { EngineSnapshot } from "../../engine/snapshot.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, newStore } from "../helpers/stores.ts";

const test = suite("aliases of what is listed");
test.after.each(closeAll);
const random = new Random("aliases of lists");

/** The last ones stand in another order in JavaScript than in UTF-8. */
const LETTERS = ["a", "/c", "\ue000", "ａ", "😀"];
const NAMES = [
  "n",
  ...LETTERS.map((a) => `n${a}`),
  ...LETTERS.flatMap((a) => LETTERS.map((b) => `n${a}${b}`)),
];
const FILTERS: ListFilter[] = [{}, { reverse: true }, { allVersions: true }, { sort: "createdAt" }];

async function filled(): Promise<ArtifactStore> {
  const store = await newStore({ durability: "buffered" });
  const names = NAMES.map((name) => ({ name, rank: random.next() })).sort((a, b) => a.rank - b.rank);
  await store.batch((batch) => {
    for (const { name } of names) batch.save(name, name);
  });
  return store;
}

async function check(store: ArtifactStore, expected: Map<string, string[]>): Promise<void> {
  for (const filter of FILTERS) {
    const found = new Map<string, string[]>();
    for await (const { name, aliases } of store.list(filter)) found.set(name, aliases);
    for (const name of NAMES)
      assert.equal(
        found.get(name),
        expected.get(name) ?? [],
        `${name} ${JSON.stringify(filter)} seed ${random.seed}`,
      );
  }
}

test("are those of their name, wherever names have some and in whatever order", async () => {
  const store = await filled();
  await check(store, new Map());
  for (let round = 0; round < 30; round++) {
    const chance = random.next();
    const chosen = NAMES.filter(() => random.next() < chance);
    const expected = new Map(chosen.map((name) => [name, random.below(3) ? ["x"] : ["x", "y"]]));
    await store.batch((batch) => {
      for (const [name, aliases] of expected) for (const alias of aliases) batch.setAlias(name, alias, 0);
    });
    await check(store, expected);
    await store.batch((batch) => {
      for (const [name, aliases] of expected) for (const alias of aliases) batch.deleteAlias(name, alias);
    });
  }
});

test("lists of a store without aliases look for them once, in each direction", async () => {
  const store = await filled();
  const rows = EngineSnapshot.prototype.rows;
  const asked = AliasRows.prototype.aliasRows;
  let looks = 0;
  let isAsked = false;
  AliasRows.prototype.aliasRows = function (name) {
    isAsked = true;
    const found = asked.call(this, name);
    isAsked = false;
    return found;
  };
  EngineSnapshot.prototype.rows = function (range) {
    if (isAsked) looks++;
    return rows.call(this, range);
  };
  try {
    for await (const _ of store.list());
    for await (const _ of store.list({ reverse: true }));
  } finally {
    EngineSnapshot.prototype.rows = rows;
    AliasRows.prototype.aliasRows = asked;
  }
  assert.is(looks, 2 * 3);
});

test.run();

import * as assert from "node:assert/strict";
import type { MetadataTesting } from "./metadata-support.ts";
import {
  all,
  apply,
  at,
  latest,
  plain,
  refsOf,
  rejected,
  START,
  save,
  saved,
  storeTests,
  succeeded,
  unit,
} from "./metadata-support.ts";

/** Numbers and times of units, and what is left of them in other handles and when one is closed. */
export function numberTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "commit");

  test("sequence numbers have no gaps, and time never decreases", async (store, { again }) => {
    const other = await again();
    const times = [5, 3, 9, 9, 1, 20];
    const results = await store.commit(times.map((time) => unit([save("a"), save("b")], START + time)));
    const { versions } = succeeded((await other.commit([unit([save("c")], START)]))[0]);
    const records = [...results.map((result) => succeeded(result).versions[0]!), versions[0]!];
    const [first] = records;
    assert.deepEqual(
      records.map(({ sequence }) => sequence - first!.sequence),
      [0, 1, 2, 3, 4, 5, 6],
    );
    assert.deepEqual(
      records.map(({ createdAt }) => createdAt - START),
      [5, 5, 9, 9, 9, 20, 20],
      "a unit has its time, or that of the unit before where that is later",
    );
    assert.equal((await store.counts()).sequence, first!.sequence + 6);
  });

  test("versions count from 0, and a deleted one's number is never given again", async (store, { again }) => {
    for (let i = 0; i < 3; i++) assert.equal((await saved(store, "a")).version, i);
    await apply(store, { kind: "delete", target: { name: "a", kind: "all" }, aliases: false });
    await store.forget((await store.counts()).sequence);
    assert.equal((await saved(store, "a")).version, 3);
    await apply(store, { kind: "delete", target: at("a", 3), aliases: false });
    assert.equal((await saved(await again(), "a")).version, 4);
    assert.equal((await saved(store, "b")).version, 0);
  });

  test("what was committed is there in a handle opened later, and the store has one id", async (store, {
    again,
  }) => {
    const record = await saved(store, "a", { tags: { x: "1" } });
    const other = await again();
    assert.equal(other.storeId, store.storeId);
    assert.ok(store.storeId && store.capabilities.name && store.location);
    assert.deepEqual(plain(await other.at("a", 0)), plain(record));
  });

  test("a store is closed once, and refuses calls from then on", async (store, { again }) => {
    await saved(store, "a");
    const other = await again();
    const running = other.commit([unit([save("a")])]);
    const closed = other.close();
    succeeded((await running)[0]);
    await closed;
    await other.close();
    await rejected(other.commit([unit([save("a")])]), "CLOSED");
    await rejected(other.find(latest("a")), "CLOSED");
    await rejected(all(other.versions("a")), "CLOSED");
    assert.deepEqual(await refsOf(store), ["a:1", "a:0"]);
  });
}

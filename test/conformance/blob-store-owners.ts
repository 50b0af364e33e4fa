import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { TestOfPlaces } from "./blob-places.ts";
import { fails, putSamples } from "./blob-places.ts";

const newId = () => randomBytes(16).toString("hex");

/** A place is one store's. */
export function testOwners(test: TestOfPlaces): void {
  test("a place that belongs to a store stays that one's, for whoever opens it", async (places) => {
    const { place, store } = await places.open();
    const id = (await store.storeId()) ?? newId();
    await store.bind(id);
    await store.bind(id);
    assert.equal(await store.storeId(), id);
    await putSamples(store, [1000]);
    const again = await places.again(place);
    assert.equal(await again.storeId(), id);
    await again.bind(id);
    for (const each of [store, again]) {
      const error = await fails(each.bind(newId()), "CONFIG");
      assert.ok((error as { hint?: string }).hint, "no hint");
      assert.equal(await each.storeId(), id);
    }
  });

  test("of two stores that want a place at once one gets it", async (places) => {
    for (let round = 0; round < 10; round++) {
      const { place, store } = await places.open();
      const stores = [store, await places.again(place), await places.again(place)];
      if (await store.storeId()) return;
      const ids = stores.map(newId);
      const bound = await Promise.allSettled(stores.map((each, i) => each.bind(ids[i]!)));
      const winners = ids.filter((_, i) => bound[i]!.status === "fulfilled");
      assert.equal(winners.length, 1);
      for (const each of stores) assert.equal(await each.storeId(), winners[0]);
      for (const each of bound)
        if (each.status === "rejected") assert.equal((each.reason as { code?: string }).code, "CONFIG");
    }
  });

  test("what it says of itself can be shown to people", async (places) => {
    const { store } = await places.open();
    assert.ok(store.capabilities.name);
    assert.ok(store.location);
    assert.ok(store.capabilities.putAtSlackMilliseconds >= 0);
    assert.ok(Math.abs((await store.now()) - Date.now()) < 1e12);
  });
}

import * as assert from "node:assert/strict";
import type { MetadataOperation, MetadataStore, UnitResult } from "../../engine/main.ts";
import type { MetadataTesting } from "./metadata-support.ts";
import { apply, at, plain, save, saved, storeTests, succeeded, unit } from "./metadata-support.ts";

/** So many units that a store may write some of them while it takes up the next ones. */
const LONG = 300;

/** A commit of saves, with what stands for some of them, by their places. Each of its units must succeed. */
async function commitLong(
  store: MetadataStore,
  others: Record<number, MetadataOperation>,
): Promise<UnitResult[]> {
  const units = Array.from({ length: LONG }, (_, i) => unit([others[i] ?? save(`long/${i}`)]));
  return (await store.commit(units)).map(succeeded);
}

/** Commits of many units: what later ones do to what earlier ones did. */
export function longTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "commit");

  test("a long commit changes versions that were there, and those that it saved itself", async (store) => {
    await saved(store, "old");
    const results = await commitLong(store, {
      10: { kind: "annotate", target: at("old", 0), tags: { of: "old" } },
      298: { kind: "annotate", target: at("long/0", 0), tags: { of: "new" } },
      299: { kind: "annotate", target: at("old", 0), metadata: { late: true } },
    });
    const [old, made] = [results[299]!.versions[0]!, results[298]!.versions[0]!];
    assert.deepEqual([old.tags, old.metadata, made.tags], [{ of: "old" }, { late: true }, { of: "new" }]);
    assert.deepEqual(plain(await store.at("old", 0)), plain(old));
    assert.deepEqual(plain(await store.at("long/0", 0)), plain(made));
    assert.deepEqual(await store.check(), []);
  });

  test("what a long commit saves, names and deletes comes back with its alias", async (store) => {
    await saved(store, "old");
    await apply(store, { kind: "annotate", target: at("old", 0), tags: { x: "1" } });
    const results = await commitLong(store, {
      0: save("y"),
      1: { kind: "alias", name: "y", alias: "prod", version: 0 },
      299: { kind: "delete", target: at("y", 0), aliases: true },
    });
    assert.deepEqual(results[299]!.removedAliases, ["y@prod"]);
    const gone = (await store.at("y", 0))!;
    assert.deepEqual([gone.deleted, gone.isForgotten], [true, false]);
    await apply(store, { kind: "undelete", name: "y", version: 0 });
    assert.deepEqual(await store.aliases("y"), { prod: 0 });
    assert.deepEqual(await store.check(), []);
  });
}

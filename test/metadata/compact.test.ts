import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compactTables } from "../../adapters/metadata/compact.ts";
import { Documents } from "../../adapters/metadata/documents.ts";
import { queryBuilderOn } from "../../adapters/metadata/driver.ts";
import { dialectOf, openMetadata } from "../../adapters/metadata/open.ts";
import { SessionPool } from "../../adapters/metadata/pool.ts";
import { recordsOf } from "../../adapters/metadata/reading.ts";
import type { TableName } from "../../adapters/metadata/schema.ts";
import { wasCommitted } from "../../adapters/metadata/transaction.ts";
import { parseDatabaseUrl } from "../../adapters/metadata/url.ts";
import type { MetadataStore } from "../../engine/main.ts";
import { apply, at, save, saved } from "../conformance/metadata-support.ts";
import { failure } from "../helpers/errors.ts";
import "../helpers/whole-suites.ts";
import { allDatabases } from "./databases.ts";
import { WRITABLE } from "./support.ts";

const NAME = "metadata: rows that nothing needs";
const test = suite(NAME);
const LIMITS = { connectWaitMax: 5_000, statementWaitMax: 6_000, lockWaitMax: 5_000 };
const code = (i: number) => ({ sources: [{ text: `let x = ${i};` }] });

/** A store, and its tables. */
async function opened(url: string) {
  const store = await openMetadata(url, WRITABLE);
  const dialect = await dialectOf(parseDatabaseUrl(url, "/"), LIMITS, WRITABLE);
  const db = queryBuilderOn(new SessionPool(dialect, LIMITS));
  const parts = { db, dialect, documents: new Documents(db, dialect) };
  const count = async (table: TableName) => {
    const rows = db.fn.countAll<number>().as("n");
    return Number((await db.selectFrom(table).select(rows).executeTakeFirstOrThrow()).n);
  };
  const close = async () => {
    await store.close();
    await db.destroy();
  };
  return { store, parts, count, close };
}

/** Three versions with tags, code and inputs; the one in the middle is deleted. Gives the operation that did it. */
async function three(store: MetadataStore): Promise<number> {
  await saved(store, "data");
  for (const i of [0, 1, 2])
    await saved(store, "a", {
      code: code(i),
      environment: { user: `u${i}` },
      tags: { i: `${i}` },
      inputs: [at("data", 0)],
    });
  return (await apply(store, { kind: "delete", target: at("a", 1), aliases: false })).sequence;
}

for (const { name, place } of allDatabases(NAME)) {
  const cases = (title: string, run: (made: Awaited<ReturnType<typeof opened>>) => Promise<void>) =>
    test(`${name}: ${title}`, async () => {
      const fresh = await place();
      const made = await opened(fresh.url);
      try {
        await run(made);
      } finally {
        await made.close();
        await fresh.remove();
      }
    });

  cases("operations, versions, tags, edges, code and environments are removed", async ({ store, count }) => {
    const sequence = await three(store);
    const rows = () =>
      Promise.all(
        (["varve_operations", "varve_versions", "varve_tags", "varve_edges", "varve_documents"] as const).map(
          count,
        ),
      );
    assert.equal(await rows(), [5, 4, 3, 3, 7]);
    await store.compact();
    assert.equal(await rows(), [5, 4, 3, 3, 7]);
    assert.is((await store.compact({ historyBefore: sequence })).records, 5);
    assert.equal(await rows(), [0, 3, 2, 2, 5]);
    await apply(store, save("a", { code: code(1), environment: { user: "u0" } }));
    assert.equal(await rows(), [1, 4, 2, 2, 6]);
  });

  cases("what a save put that then failed is removed", async ({ store, count }) => {
    await saved(store, "a");
    const [result] = await store.commit([
      { operations: [save("b", { code: code(7), inputs: [at("none", 0)] })], time: 0 },
    ]);
    assert.instance(result, Error);
    assert.is(await count("varve_documents"), 2);
    await store.compact();
    assert.is(await count("varve_documents"), 1);
  });

  cases("code that is named since it was looked for stays", async ({ store, parts, count }) => {
    const sequence = await three(store);
    let isNamed = false;
    // Between the search and the lock somebody else saves with it.
    const again = async <T>(work: () => Promise<T>) => {
      if ((await count("varve_versions")) === 3 && !isNamed && (await count("varve_operations")) === 0) {
        isNamed = true;
        await apply(store, save("a", { code: code(1), environment: { user: "u1" } }));
      }
      return work();
    };
    await compactTables({ ...parts, again }, { historyBefore: sequence });
    assert.ok(isNamed);
    assert.equal(await store.check(), []);
    assert.equal((await store.at("a", 3))?.code, code(1));
  });

  cases("a version that is brought back since it was looked for stays", async ({ store, parts, count }) => {
    const sequence = await three(store);
    let calls = 0;
    const again = async <T>(work: () => Promise<T>) => {
      // The first transaction moves the horizon.
      if (++calls === 2) await apply(store, { kind: "undelete", name: "a", version: 1 });
      return work();
    };
    await compactTables({ ...parts, again }, { historyBefore: sequence });
    assert.is((await store.at("a", 1))?.deleted, false);
    assert.equal([await count("varve_tags"), await count("varve_edges")], [3, 3]);
    assert.equal(await store.check(), []);
  });

  cases(
    "versions that go while they are read are left out, with code that is gone",
    async ({ store, parts }) => {
      const sequence = await three(store);
      const rows = await parts.db.selectFrom("varve_versions").selectAll().execute();
      await store.compact({ historyBefore: sequence });
      const records = await recordsOf(parts, rows);
      assert.equal(records.map((record) => `${record.name}:${record.version}`).sort(), [
        "a:0",
        "a:2",
        "data:0",
      ]);
      await parts.db.deleteFrom("varve_documents").execute();
      const documents = new Documents(parts.db, parts.dialect);
      await failure(recordsOf({ ...parts, documents }, rows.slice(0, 1)), "CORRUPTION");
    },
  );

  cases("of a commit in doubt whose operation is forgotten nobody can tell", async ({ store, parts }) => {
    const { sequence } = await saved(store, "a");
    const mark = (of: number) => ({ sequence: of, token: Buffer.alloc(16) });
    assert.is(await wasCommitted(parts, mark(sequence)), false);
    await store.compact({ historyBefore: sequence });
    assert.is(await wasCommitted(parts, mark(sequence + 1)), false);
    await failure(wasCommitted(parts, mark(sequence)), "UNAVAILABLE");
  });
}

test.run();

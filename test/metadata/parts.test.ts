import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openMetadata } from "../../adapters/metadata/open.ts";
import type { MetadataOperation, MetadataStore, UnitResult, VarveError } from "../../engine/main.ts";
import { alias, all, apply, save, unit } from "../conformance/metadata-support.ts";
import "../helpers/whole-suites.ts";
import { ask, hasService, newDatabase } from "../services/services.ts";
import { allDatabases } from "./databases.ts";
import { WRITABLE } from "./support.ts";

/** A commit of so many units that a part of it is written while the next one is made. */

const NAME = "metadata: commits in parts";
const test = suite(NAME);
const UNITS = 1_200;
const NAMES = 200;

const nameAt = (i: number) => `part/${i % NAMES}`;
const versionOf = (name: number, version: number) =>
  ({ kind: "version", name: nameAt(name), version }) as const;
const missing: MetadataOperation = { kind: "delete", target: versionOf(0, 900), aliases: false };

/** Of versions that were saved some parts before. */
const LATER: Record<number, MetadataOperation[]> = {
  700: [{ kind: "annotate", target: versionOf(5, 0), tags: { later: "yes", at: null } }],
  710: [{ kind: "delete", target: versionOf(6, 0), aliases: false }],
  720: [missing],
  730: [{ kind: "alias", name: nameAt(7), alias: "first", version: 0 }],
  1140: [{ kind: "annotate", target: versionOf(8, 0), tags: { later: "never" } }, missing],
  1150: [{ kind: "annotate", target: versionOf(9, 1), tags: { later: "yes" } }],
};

const unitAt = (i: number) => ({
  time: 1_000 + i,
  operations: LATER[i] ?? [save(nameAt(i), { tags: { at: String(i) } })],
});

async function commitAll(store: MetadataStore): Promise<(UnitResult | Error)[]> {
  return store.commit(Array.from({ length: UNITS }, (_, i) => unitAt(i)));
}

/** As the table of tags has it: nothing else decides. */
async function refsWith(store: MetadataStore, tags: Record<string, string>): Promise<string[]> {
  const query = {
    mode: "live",
    sort: "name",
    reverse: false,
    limit: 10,
    prefix: "",
    isExact: false,
  } as const;
  const found = await all(store.list({ ...query, hints: { tags }, matches: () => true }));
  return found.map((record) => `${record.name}:${record.version}`);
}

for (const { name, place } of allDatabases(NAME)) {
  test(`${name}: what one part saved the next ones change, and what fails there changes nothing`, async () => {
    const { url, remove } = await place();
    const writer = await openMetadata(url, WRITABLE);
    const results = await commitAll(writer);
    await writer.close();
    assert.equal(
      results.flatMap((result, i) => (result instanceof Error ? [i] : [])),
      [720, 1_140],
    );
    const numbers = results.flatMap((result) => (result instanceof Error ? [] : [result.sequence]));
    assert.equal(
      numbers,
      numbers.map((_, i) => i + 1),
    );
    const store = await openMetadata(url, WRITABLE);
    const tagsOf = async (each: number, version: number) => (await store.at(nameAt(each), version))!.tags;
    assert.equal(await tagsOf(5, 0), { later: "yes" });
    assert.equal(await tagsOf(8, 0), { at: "8" });
    assert.equal(await tagsOf(9, 1), { at: "209", later: "yes" });
    assert.is((await store.at(nameAt(6), 0))!.deleted, true);
    assert.equal(await store.aliases(nameAt(7)), { first: 0 });
    assert.equal(await refsWith(store, { later: "yes" }), [`${nameAt(5)}:0`, `${nameAt(9)}:1`]);
    assert.equal(await refsWith(store, { later: "never" }), []);
    assert.equal(await refsWith(store, { at: "5" }), []);
    const operations = await all(store.operations(0));
    assert.equal(
      operations.map(({ sequence }) => sequence),
      numbers,
    );
    assert.equal(await store.check(), []);
    await Promise.all([store.close(), remove()]);
  });
}

for (const name of ["postgresql", "mariadb"] as const) {
  if (!hasService(name, NAME)) continue;
  test(`${name}: a part that the database refuses has not been committed, and the others have`, async () => {
    const database = await newDatabase(name);
    const store = await openMetadata(database.url, WRITABLE);
    await ask(
      name,
      database,
      "alter table varve_operations add constraint some_rule check (name <> 'refused')",
    );
    await apply(store, save("one"));
    await apply(store, { kind: "alias", name: "one", alias: "x", version: 0 });
    const units = Array.from({ length: 600 }, (_, i) => unit([save(`many/${i}`)]));
    units[1] = unit([save("refused")]);
    // In the next part of PostgreSQL: read in the transaction, which has failed by then.
    units[530] = unit([{ kind: "annotate", target: alias("one", "x"), tags: { x: "1" } }]);
    const results = await store.commit(units);
    assert.equal(
      results.flatMap((result, i) => (result instanceof Error ? [[i, (result as VarveError).code]] : [])),
      [[1, "IO"]],
    );
    assert.match((results[1] as Error).message, /some_rule/);
    assert.is(await store.at("refused", 0), undefined);
    assert.is((await store.at("many/2", 0))!.sequence, 4);
    assert.equal(await store.check(), []);
    await store.close();
    await database.drop();
  });
}

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { queryBuilderOn } from "../../adapters/metadata/driver.ts";
import { insertsOf, runAll, upserted } from "../../adapters/metadata/insert.ts";
import { dialectOf, openMetadata } from "../../adapters/metadata/open.ts";
import { SessionPool } from "../../adapters/metadata/pool.ts";
import { parseDatabaseUrl } from "../../adapters/metadata/url.ts";
import "../helpers/whole-suites.ts";
import { allDatabases } from "./databases.ts";
import { endAll, WRITABLE } from "./support.ts";

const NAME = "metadata: inserts of many rows";
const test = suite(NAME);
test.after.each(endAll);
const LIMITS = { connectWaitMax: 5_000, statementWaitMax: 6_000, lockWaitMax: 5_000 };

for (const { name, place } of allDatabases(NAME)) {
  test(`${name}: rows are written by the names of their columns, whatever the order of those before was`, async () => {
    const { url, remove } = await place();
    await (await openMetadata(url, WRITABLE)).close();
    const dialect = await dialectOf(parseDatabaseUrl(url, "/"), LIMITS, WRITABLE);
    const db = queryBuilderOn(new SessionPool(dialect, LIMITS));
    const rows = [
      { name: "a", newest: 5, latest: 1 },
      { latest: 2, newest: 6, name: "b" },
      { newest: 7, name: "c", latest: 3 },
    ];
    for (const row of rows)
      await runAll(db, insertsOf(db, dialect, [upserted("varve_names", ["name"], [row])]));
    const read = await db.selectFrom("varve_names").selectAll().orderBy("name").execute();
    assert.equal(
      read.map((row) => [row.name, row.newest, row.latest]),
      [
        ["a", 5, 1],
        ["b", 6, 2],
        ["c", 7, 3],
      ],
    );
    await db.destroy();
    await remove();
  });
}

test.run();

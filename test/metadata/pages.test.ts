import { suite } from "uvu";
import * as assert from "uvu/assert";
import { all, query, save, unit } from "../conformance/metadata-support.ts";
import "../helpers/whole-suites.ts";
import { ask, hasService, newDatabase } from "../services/services.ts";
import { endAll, openTest, WRITABLE } from "./support.ts";

const NAME = "metadata: what PostgreSQL reads for a page of a list";
const test = suite(NAME);
test.after.each(endAll);
const NAMES = 8_000;
const PAGE = 500;
const READ_MAX = NAMES / 4;

const nameAt = (i: number) => `name/${String(i).padStart(6, "0")}`;

if (hasService("postgresql", NAME))
  test("the last names of many are found without going through those before", async () => {
    const database = await newDatabase("postgresql");
    const store = await openTest(database.url, WRITABLE);
    for (let first = 0; first < NAMES; first += 1_000)
      await store.commit(Array.from({ length: 1_000 }, (_, i) => unit([save(nameAt(first + i))])));
    await store.close();
    await ask("postgresql", database, "analyze");
    /** A connection tells of its reads when it ends. */
    const read = async () => {
      const sql = `select sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) as n from pg_stat_user_tables
        where relname in ('varve_versions', 'varve_names')`;
      return Number((await ask("postgresql", database, sql))[0]!.n);
    };
    for (const reverse of [false, true]) {
      const reader = await openTest(database.url, WRITABLE);
      const before = await read();
      const after = { name: nameAt(reverse ? PAGE : NAMES - PAGE - 1), version: 0 };
      const found = await all(reader.list({ ...query({ mode: "latest" }), reverse, after, limit: PAGE }));
      await reader.close();
      assert.equal([found.length, found[0]!.name], [PAGE, nameAt(reverse ? PAGE - 1 : NAMES - PAGE)]);
      let rows = 0;
      for (let tries = 0; rows === 0 && tries < 100; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        rows = (await read()) - before;
      }
      assert.ok(rows > 0 && rows < READ_MAX, `${rows} rows were read`);
    }
    await database.drop();
  });

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { apply, at, hex, latest, rejected, save } from "../conformance/metadata-support.ts";
import "../helpers/whole-suites.ts";
import { ask, hasService, newDatabase } from "../services/services.ts";
import { endAll, openTest, WRITABLE } from "./support.ts";

const NAME = "metadata: single versions from PostgreSQL, of statements that are not described";
const test = suite(NAME);
test.after.each(endAll);

if (hasService("postgresql", NAME)) {
  test("a read that the server refuses leaves the connection to the next one, which is answered", async () => {
    const database = await newDatabase("postgresql");
    const store = await openTest(database.url, WRITABLE);
    await apply(store, save("a"), { kind: "alias", name: "a", alias: "x", version: 0 });
    const run = (sql: string) => ask("postgresql", database, sql);
    const connections = await database.connections();
    for (let round = 0; round < 3; round++) {
      // Before the statement is known to the server, and behind.
      await run("alter table varve_aliases rename to elsewhere");
      for (let tries = 0; tries < 3; tries++) await rejected(store.find(latest("a")), "IO");
      await run("alter table elsewhere rename to varve_aliases");
      assert.equal((await store.find(latest("a")))!.aliases, ["x"]);
      assert.equal((await store.at("a", 0))!.aliases, ["x"]);
      assert.is(await store.at("a", 1), undefined);
    }
    assert.is(await database.connections(), connections);
    await store.close();
    await database.drop();
  });

  test("bytes are read in each form that the server writes them in", async () => {
    const database = await newDatabase("postgresql");
    for (const form of ["hex", "escape"]) {
      await ask("postgresql", database, `alter database ${database.database} set bytea_output = '${form}'`);
      const store = await openTest(database.url, WRITABLE);
      const digest = new Uint8Array(Array.from({ length: 32 }, (_, i) => i * 8));
      const value = { digest, size: 2 ** 40, mediaType: "a/b", stamps: new Uint8Array(32).fill(92) };
      await apply(store, save(form, { value }));
      const found = (await store.find(at(form, 0)))!;
      assert.is(hex(found.digest), hex(digest));
      assert.is(hex(found.stamps!), "5c".repeat(32));
      assert.is(found.size, 2 ** 40);
      await store.close();
    }
    await database.drop();
  });
}

test.run();

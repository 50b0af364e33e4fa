import { existsSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { all, apply, rejected, save } from "../conformance/metadata-support.ts";
import "../helpers/whole-suites.ts";
import { PASSWORD } from "../services/server.ts";
import { ask, hasService, newDatabase, urlOf } from "../services/services.ts";
import { allDatabases, serverDatabases } from "./databases.ts";
import { endAll, openTest, WRITABLE } from "./support.ts";

const NAME = "metadata: opening";
const test = suite(NAME);
test.after.each(endAll);

for (const { name, place } of allDatabases(NAME)) {
  const cases = (title: string, run: (url: string) => Promise<void>) =>
    test(`${name}: ${title}`, async () => {
      const fresh = await place();
      await run(fresh.url);
      await fresh.remove();
    });

  cases("many that open a database without tables at once make one store of it", async (url) => {
    const stores = await Promise.all(Array.from({ length: 8 }, () => openTest(url, WRITABLE)));
    assert.is(new Set(stores.map(({ storeId }) => storeId)).size, 1);
    assert.match(stores[0]!.storeId, /^[0-9a-f]{32}$/);
    await Promise.all(stores.map((store) => apply(store, save("a"))));
    assert.is((await all(stores[0]!.operations(0))).length, 8);
    await Promise.all(stores.map((store) => store.close()));
  });

  cases("it keeps the id that it was given first, and is refused to another store", async (url) => {
    const storeId = "0123456789abcdef0123456789abcdef";
    const first = await openTest(url, { ...WRITABLE, storeId });
    assert.is(first.storeId, storeId);
    await first.close();
    const again = await openTest(url, WRITABLE);
    assert.is(again.storeId, storeId);
    await again.close();
    const error = await rejected(openTest(url, { ...WRITABLE, storeId: "f".repeat(32) }), "CONFIG");
    assert.match(error.message, /another store/);
  });

  cases("without `create`, or read-only, no tables are made", async (url) => {
    for (const options of [
      { create: false, readOnly: false },
      { create: true, readOnly: true },
    ]) {
      const error = await rejected(openTest(url, options), "NOT_FOUND");
      assert.ok(error.hint);
    }
    if (name === "SQLite") assert.not(existsSync(url.slice("sqlite:///".length)));
  });

  cases("read-only it reads, and changes nothing", async (url) => {
    const store = await openTest(url, WRITABLE);
    await apply(store, save("a"));
    const reader = await openTest(url, { create: false, readOnly: true });
    assert.ok(await reader.find({ name: "a", kind: "latest", explicit: false }));
    await rejected(reader.commit([{ operations: [save("a")], time: 0 }]), "READ_ONLY");
    await rejected(reader.forget(1), "READ_ONLY");
    await reader.close();
    await store.close();
    await rejected(store.counts(), "CLOSED");
  });
}

for (const service of ["postgresql", "mariadb"] as const) if (hasService(service, NAME)) testsOf(service);

function testsOf(service: "postgresql" | "mariadb"): void {
  test(`${service}: a newer database is refused, and left as it is`, async () => {
    const fresh = await newDatabase(service);
    const store = await openTest(fresh.url, WRITABLE);
    await store.close();
    await ask(service, fresh, "update varve_meta set value = '99' where item = 'schema'");
    for (const readOnly of [false, true]) {
      const error = await rejected(openTest(fresh.url, { create: true, readOnly }), "CONFIG");
      assert.match(error.message, /newer Varve/);
      assert.match(error.hint!, /update/);
    }
    const [row] = await ask(service, fresh, "select value from varve_meta where item = 'schema'");
    assert.is(row!.value, "99");
    await fresh.drop();
  });

  test(`${service}: a wrong password, user or database, and a port without a server, are told apart, without the password`, async () => {
    const fresh = await newDatabase(service);
    const wrong = "not the p@ssword";
    for (const url of [urlOf(fresh, undefined, wrong), urlOf(fresh, "nobody", wrong)]) {
      const error = await rejected(openTest(url, WRITABLE), "UNAUTHORIZED");
      assert.ok(error.hint);
      holdsNoSecret(error, wrong);
    }
    const unknown = await rejected(openTest(urlOf({ ...fresh, database: "none" }), WRITABLE), "CONFIG");
    assert.match(unknown.hint!, /create/);
    holdsNoSecret(unknown, PASSWORD);
    const nobody = await rejected(openTest(urlOf({ ...fresh, port: 1 }), WRITABLE), "UNAVAILABLE");
    holdsNoSecret(nobody, PASSWORD);
    assert.is(await fresh.connections(), 0);
    await fresh.drop();
  });

  test(`${service}: other names of it, drivers of SQLAlchemy and TLS where it can be had`, async () => {
    const fresh = await newDatabase(service);
    const schemes = { postgresql: ["postgres", "postgresql+psycopg2"], mariadb: ["mysql", "mysql+pymysql"] };
    const tls = {
      postgresql: "sslmode=prefer&application_name=x",
      mariadb: "ssl_mode=PREFERRED&charset=utf8mb4",
    };
    for (const scheme of schemes[service]) {
      const store = await openTest(`${urlOf({ ...fresh, scheme })}?${tls[service]}`, WRITABLE);
      await apply(store, save("a"));
      assert.match(store.location, /^(postgresql|mysql):\/\/127\.0\.0\.1:\d+\/t[0-9a-f]+$/);
      await store.close();
    }
    await fresh.drop();
  });
}

function holdsNoSecret(error: Error, secret: string): void {
  const shown = `${error.stack} ${JSON.stringify(error)} ${JSON.stringify(error.cause)} ${String(error.cause)}`;
  assert.not(shown.includes(secret) || shown.includes(encodeURIComponent(secret)));
}

for (const { name, place } of serverDatabases(NAME)) {
  test(`${name}: the URL may give more time for a connection than there is without it`, async () => {
    const { url, remove } = await place();
    const soon = { ...WRITABLE, connectWaitMax: 1 };
    await rejected(openTest(url, soon), "UNAVAILABLE");
    const store = await openTest(`${url}${url.includes("?") ? "&" : "?"}connect_timeout=20`, soon);
    await apply(store, save("a"));
    await store.close();
    await remove();
  });
}

test.run();

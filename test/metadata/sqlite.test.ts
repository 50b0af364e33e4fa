import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import Database from "libsql";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { sqliteDialect } from "../../adapters/metadata/dialects/sqlite.ts";
import { limitsOf } from "../../adapters/metadata/open.ts";
import type { RunOptions, Session } from "../../adapters/metadata/session.ts";
import { apply, rejected, save } from "../conformance/metadata-support.ts";
import { fastFolder } from "../helpers/folders.ts";
import "../helpers/whole-suites.ts";
import { endAll, openTest, WRITABLE } from "./support.ts";

const test = suite("metadata: connections of SQLite");
const PREPARED = { prepare: true };
const ONCE = { prepare: false };
let folder: string;
let sessions: Session[] = [];

test.before.each(async () => {
  folder = mkdtempSync(join(fastFolder(), "varve-test-"));
  const dialect = await sqliteDialect({ kind: "sqlite", path: join(folder, "x.db") }, WRITABLE);
  sessions = [await dialect.connect(), await dialect.connect()];
  await sessions[0]!.run("create table t (a text primary key)", [], PREPARED);
});
test.after.each(async () => {
  await endAll();
  for (const session of sessions) session.destroy();
  rmSync(folder, { recursive: true });
});

async function rows(session: Session): Promise<number> {
  const answer = await session.run("select count(*) as n from t", [], PREPARED);
  return (answer.rows[0] as { n: number }).n;
}

async function fails(
  session: Session,
  sql: string,
  options: RunOptions,
  parameters: unknown[] = [],
): Promise<unknown> {
  return session.run(sql, parameters, options).then(
    () => assert.unreachable(),
    (error) => error,
  );
}

test("one that met a lock goes on, and sees what others write", async () => {
  const [a, b] = sessions as [Session, Session];
  assert.is(await rows(b), 0);
  await a.run("begin immediate", [], ONCE);
  await fails(b, "begin immediate", ONCE);
  await a.run("insert into t values (?)", ["x"], PREPARED);
  await a.run("commit", [], ONCE);
  assert.not(b.isLost);
  assert.is(await rows(b), 1);
  await a.run("insert into t values (?)", ["y"], PREPARED);
  assert.is(await rows(b), 2);
});

test("one in which a statement failed is not used again: what it reads would never change", async () => {
  const [a] = sessions as [Session];
  await a.run("insert into t values (?)", ["x"], PREPARED);
  await fails(a, "insert into t values (?)", PREPARED, ["x"]);
  assert.ok(a.isLost);
});

test("one in which a statement failed leaves no lock behind", async () => {
  const [a, b] = sessions as [Session, Session];
  await a.run("begin immediate", [], ONCE);
  await a.run("insert into t values (?)", ["x"], PREPARED);
  await fails(a, "insert into t values (?)", PREPARED, ["x"]);
  await b.run("begin immediate", [], ONCE);
  await b.run("insert into t values (?)", ["y"], PREPARED);
  await b.run("commit", [], ONCE);
  assert.is(await rows(b), 1);
});

test("a file that is not Varve's stays as it is, unless it is to become so", async () => {
  for (const [table, isOurs] of [
    ["other", false],
    ["varve_meta", true],
  ] as const) {
    const path = join(folder, `${table}.db`);
    const foreign = new Database(path);
    foreign.exec(`create table ${table} (item text, value text)`);
    foreign.close();
    const before = readFileSync(path);
    for (const options of [
      { create: true, readOnly: true },
      { create: false, readOnly: true },
      { create: false, readOnly: false },
    ]) {
      await rejected(openTest(`sqlite:///${path}`, options), "NOT_FOUND");
      const isChanged = isOurs && !options.readOnly;
      assert.is(readFileSync(path).equals(before), !isChanged);
      // The first of two bytes that say how the file is written: 2 is WAL.
      assert.is(readFileSync(path)[18], isChanged ? 2 : 1);
    }
  }
  await openTest(`sqlite:///${join(folder, "other.db")}`, WRITABLE);
  assert.is(readFileSync(join(folder, "other.db"))[18], 2);
});

test("a database of before there were backends is brought up to date, by who may write", async () => {
  const path = join(folder, "old.db");
  const url = `sqlite:///${path}`;
  const first = await openTest(url, WRITABLE);
  await apply(first, save("a"));
  await first.close();
  const old = new Database(path);
  old.exec(
    "alter table varve_versions drop column kept; update varve_meta set value = '1' where item = 'schema'",
  );
  old.close();
  const { hint } = await rejected(openTest(url, { create: false, readOnly: true }), "CONFIG");
  assert.ok(hint);
  const [store, beside] = await Promise.all([openTest(url, WRITABLE), openTest(url, WRITABLE)]);
  assert.is((await store.at("a", 0))?.kept, undefined);
  const { value, ...rest } = save("m");
  const kept = { place: { trackingUri: "http://127.0.0.1:5000", modelUri: "models:/m/1" } };
  await apply(store, { ...rest, backend: "mlflow", value: { ...value, kept } });
  assert.equal((await beside.at("m", 0))?.kept, kept);
  assert.is(store.storeId, first.storeId);
  await store.close();
  const newer = new Database(path);
  newer.exec("update varve_meta set value = '99' where item = 'schema'");
  newer.close();
  for (const options of [WRITABLE, { create: false, readOnly: true }])
    assert.match((await rejected(openTest(url, options), "CONFIG")).message, /newer Varve/);
});

test("who wants to wait for ever waits as long as a timer can", async () => {
  const usual = limitsOf({});
  assert.equal(usual, { lockWaitMax: 5_000, connectWaitMax: 5_000, statementWaitMax: 30_000 });
  for (const long of [2 ** 31 - 500, 2 ** 40, Number.POSITIVE_INFINITY]) {
    for (const item of ["lockWaitMax", "connectWaitMax", "statementWaitMax"] as const) {
      const limits = limitsOf({ [item]: long });
      assert.ok(limits[item] > 2 ** 31 - 2_000);
      assert.ok(Math.max(...Object.values(limits)) < 2 ** 31 - 1);
      assert.ok(limits.statementWaitMax >= limits.lockWaitMax + 1_000);
    }
  }
  const url = `sqlite:///${join(folder, "x.db")}`;
  const store = await openTest(url, { ...WRITABLE, lockWaitMax: Number.POSITIVE_INFINITY });
  await apply(store, save("a"));
});

test.run();

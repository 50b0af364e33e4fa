import { suite } from "uvu";
import * as assert from "uvu/assert";
import { sqliteDialect } from "../../adapters/metadata/dialects/sqlite.ts";
import type { Session } from "../../adapters/metadata/session.ts";
import { SqlMetadata } from "../../adapters/metadata/sql-metadata.ts";
import { VarveError } from "../../engine/main.ts";
import { apply, refsOf, rejected, save, unit } from "../conformance/metadata-support.ts";
import "../helpers/whole-suites.ts";
import { endAll, sqlitePlace } from "./support.ts";

const test = suite("metadata: a commit that nobody knows the end of");
test.after.each(endAll);
const LIMITS = { connectWaitMax: 5_000, statementWaitMax: 6_000, lockWaitMax: 5_000 };

/** A database whose disk fails at these statements, one after another: at a commit when it is done, else before. */
async function opened(url: string, failing: string[], warn: () => void = () => {}): Promise<SqlMetadata> {
  const dialect = await sqliteDialect(
    { kind: "sqlite", path: url.slice("sqlite:///".length) },
    { create: true, readOnly: false },
  );
  const connect = async (): Promise<Session> => {
    const session = await dialect.connect();
    return {
      async run(sql, parameters, options) {
        const isFailing = sql === failing[0];
        if (isFailing) failing.shift();
        if (isFailing && sql !== "commit") throw new Error("the disk fails");
        const answer = await session.run(sql, parameters, options);
        if (isFailing) throw new Error("the disk fails");
        return answer;
      },
      get isLost() {
        return session.isLost;
      },
      close: () => session.close(),
      destroy: () => session.destroy(),
    };
  };
  const logger = { debug: () => {}, info: () => {}, warn, error: () => {} };
  const wanted = { storeId: undefined, create: true, readOnly: false };
  return SqlMetadata.open({ ...dialect, connect }, LIMITS, wanted, logger);
}

const units = () => [unit([save("a")]), unit([save("b")])];

test("it fails, and so does looking it up: that is told, and nothing is made again", async () => {
  const { url, remove } = await sqlitePlace();
  const failing: string[] = [];
  const store = await opened(url, failing);
  failing.push("commit", "begin immediate");
  const error = await rejected(store.commit(units()), "IO");
  assert.is(error.outcome, "unknown");
  assert.equal(failing, []);
  assert.equal(await refsOf(store), ["a:0", "b:0"]);
  await store.close();
  await remove();
});

test("it fails, and the log can't be written: that is told, and nothing is made again", async () => {
  const { url, remove } = await sqlitePlace();
  const failing: string[] = [];
  const store = await opened(url, failing, () => {
    throw new VarveError("IO", "no space for the log");
  });
  failing.push("commit");
  const error = await rejected(store.commit(units()), "IO");
  assert.is(error.outcome, "unknown");
  assert.equal(await refsOf(store), ["a:0", "b:0"]);
  await store.close();
  await remove();
});

test("it fails and is looked up: it was made, once", async () => {
  const { url, remove } = await sqlitePlace();
  const failing: string[] = [];
  const store = await opened(url, failing);
  failing.push("commit");
  assert.is((await apply(store, save("a"))).versions[0]!.version, 0);
  assert.equal(failing, []);
  assert.equal(await refsOf(store), ["a:0"]);
  await store.close();
  await remove();
});

test.run();

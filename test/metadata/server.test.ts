import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { MetadataStore } from "../../engine/main.ts";
import { VarveError } from "../../engine/main.ts";
import { all, apply, latest, refsOf, rejected, save, unit } from "../conformance/metadata-support.ts";
import "../helpers/whole-suites.ts";
import type { DatabaseName, Server } from "../services/server.ts";
import { type Fresh, hasService, newDatabase, ownServer } from "../services/services.ts";
import { endAll, openTest, until, WRITABLE } from "./support.ts";

const NAME = "metadata: a server that ends, or stops";
const test = suite(NAME);
test.after.each(endAll);
const SOON = { ...WRITABLE, lockWaitMax: 1000, connectWaitMax: 1500, statementWaitMax: 2000 };

for (const service of ["postgresql", "mariadb"] as const) if (hasService(service, NAME)) testsOf(service);

function testsOf(service: DatabaseName): void {
  let server: Server;
  let fresh: Fresh;

  test(`${service}: its own server is there`, async () => {
    server = await ownServer(service);
    fresh = await newDatabase(service, server.port);
  });

  test(`${service}: killed during commits, what was said to be there is there, and the calls go on`, async () => {
    const store = await openTest(fresh.url, SOON);
    const acknowledged: string[] = [];
    const failures: unknown[] = [];
    for (let round = 0; round < 3; round++) {
      const saving = Promise.all(
        Array.from({ length: 4 }, (_, i) => saveOn(store, `killed/${i}`, acknowledged, failures)),
      );
      const before = acknowledged.length;
      await until(() => acknowledged.length > before + 20);
      await server.kill();
      await saving;
      await server.launch();
    }
    const others = failures.filter((error) => !(error instanceof VarveError && error.code === "UNAVAILABLE"));
    assert.equal(others.map(String), []);
    await apply(store, save("behind"));
    await isWhole(store, acknowledged);
    await store.close();
    await until(async () => (await fresh.connections()) === 0);
  });

  test(`${service}: stopped, calls end as unavailable, and no connection is left behind`, async () => {
    const store = await openTest(fresh.url, SOON);
    const { version } = (await apply(store, save("stopped"))).versions[0]!;
    server.signal("SIGSTOP");
    const failures = await Promise.all([
      rejected(store.commit([unit([save("stopped")])]), "UNAVAILABLE"),
      rejected(store.find(latest("stopped")), "UNAVAILABLE"),
      rejected(all(store.operations(0)), "UNAVAILABLE"),
      rejected(openTest(fresh.url, SOON), "UNAVAILABLE"),
    ]);
    assert.ok(failures.every(({ hint }) => hint));
    server.signal("SIGCONT");
    await apply(store, save("stopped"));
    // What the stopped server was sent, it may have done since.
    assert.ok((await store.find(latest("stopped")))!.version > version);
    assert.equal(await store.check(), []);
    await store.close();
    await until(async () => (await fresh.connections()) === 0);
  });

  test(`${service}: killed while others make the tables, the next one ends it`, async () => {
    for (let wait = 5; wait <= 80; wait *= 2) {
      const place = await newDatabase(service, server.port);
      const opening = openTest(place.url, SOON).then(
        (store) => store.close(),
        (error) => error,
      );
      await sleep(wait);
      await server.kill();
      const failure = await opening;
      assert.ok(failure === undefined || failure.code === "UNAVAILABLE", failure?.stack);
      await server.launch();
      const store = await openTest(place.url, { ...WRITABLE, lockWaitMax: 20_000 });
      await apply(store, save("a"));
      assert.equal(await store.check(), []);
      await store.close();
    }
  });

  test(`${service}: its own server is stopped`, () => server.stop());
}

/** Until it fails. */
async function saveOn(
  store: MetadataStore,
  name: string,
  acknowledged: string[],
  failures: unknown[],
): Promise<void> {
  for (;;) {
    const outcome = await store.commit([unit([save(name)])]).catch((error: unknown) => error);
    // Told of all units together, or of each.
    const result = Array.isArray(outcome) ? outcome[0] : outcome;
    if (result instanceof Error) return void failures.push(result);
    acknowledged.push(`${name}:${result.versions[0].version}`);
  }
}

async function isWhole(store: MetadataStore, acknowledged: string[]): Promise<void> {
  const there = new Set(await refsOf(store));
  assert.equal(
    acknowledged.filter((ref) => !there.has(ref)),
    [],
  );
  assert.is(new Set(acknowledged).size, acknowledged.length);
  const sequences = (await all(store.operations(0))).map(({ sequence }) => sequence);
  assert.equal(
    sequences,
    sequences.map((_, i) => i + 1),
  );
  assert.equal(await store.check(), []);
}

test.run();

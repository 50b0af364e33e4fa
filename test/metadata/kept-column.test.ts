import { join } from "node:path";
import Database from "libsql";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openMetadata } from "../../adapters/metadata/open.ts";
import { apply, factsOf, plain, save } from "../conformance/metadata-support.ts";
import { failure } from "../helpers/errors.ts";
import { newFolder, removeFolders } from "../helpers/folders.ts";
import { ask, hasService, newDatabase } from "../services/services.ts";
import { endAll, openTest, WRITABLE } from "./support.ts";
import "../helpers/whole-suites.ts";

const NAME = "metadata: tables of before there were backends";
const test = suite(NAME);
test.after.each(async () => {
  await endAll();
  removeFolders();
});

/** A database, and what runs statements in it. */
type Place = { url: string; run(sql: string): Promise<unknown>; drop(): Promise<void> };

function inFile(): Place {
  const path = join(newFolder(), "metadata.db");
  const run = async (sql: string) => {
    const database = new Database(path);
    database.exec(sql);
    database.close();
  };
  return { url: `sqlite:///${path}`, run, drop: async () => {} };
}

async function onServer(service: "postgresql" | "mariadb"): Promise<Place> {
  const fresh = await newDatabase(service);
  return { url: fresh.url, run: (sql) => ask(service, fresh, sql), drop: () => fresh.drop() };
}

const PLACES: Record<string, () => Promise<Place>> = { sqlite: async () => inFile() };
for (const service of ["postgresql", "mariadb"] as const)
  if (hasService(service, NAME)) PLACES[service] = () => onServer(service);

for (const [kind, placeOf] of Object.entries(PLACES)) {
  test(`${kind}: they are brought up to date, by two at once too, and who only reads is told that they are not`, async () => {
    const { url, run, drop } = await placeOf();
    const first = await openTest(url, WRITABLE);
    const { versions } = await apply(first, save("a"));
    await first.close();
    await run("alter table varve_versions drop column kept");
    await run("update varve_meta set value = '1' where item = 'schema'");
    await failure(openMetadata(url, { create: false, readOnly: true }), "CONFIG");
    const [store, other] = await Promise.all([openTest(url, WRITABLE), openTest(url, WRITABLE)]);
    assert.equal(plain(await store.at("a", 0)), plain(versions[0]));
    const kept = { place: { modelUri: "models:/clf/1" } };
    await apply(other, save("m", { backend: "mlflow", value: { ...factsOf("m"), kept } }));
    assert.equal((await store.at("m", 0))?.kept, kept);
    await Promise.all([store.close(), other.close()]);
    await drop();
  });
}

test.run();

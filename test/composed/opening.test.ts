import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openStore } from "../../adapters/main.ts";
import type { ArtifactStore, StoreOptions } from "../../engine/main.ts";
import { failure } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { closeAll, closeStores, track } from "../helpers/stores.ts";

/** Which metadata and which values are one store. All places are new unless something is said of them. */
const test = suite("opening stores over two places");
test.after.each(closeAll);

async function open(options: StoreOptions): Promise<ArtifactStore> {
  return track(await openStore({ environment: false, ...options }));
}

function refused(options: StoreOptions): Promise<Error> {
  // So long it is waited for somebody who may be making the metadata.
  return failure(open({ lockWaitMax: 1_000, ...options }), "CONFIG");
}

const database = (folder: string, name = "metadata") => `sqlite:///${join(folder, `${name}.db`)}`;

test("a second home does not get the values of another one that has none yet", async () => {
  const [values, a, b] = [newFolder(), newFolder(), newFolder()];
  const first = await open({ home: a, artifactStorageDir: values });
  await refused({ home: b, artifactStorageDir: values });
  await first.save("x", 1);
  await refused({ home: b, artifactStorageDir: values });
  assert.is(await first.load("x"), 1);
});

test("a second database does not get the values in a home, also where none were saved yet", async () => {
  const home = newFolder();
  const first = await open({ home, databaseUrl: database(home, "one") });
  await refused({ home, databaseUrl: database(home, "two") });
  await first.save("x", 1);
  await closeStores();
  await refused({ home, databaseUrl: database(home, "two") });
  assert.is(await (await open({ home, databaseUrl: database(home, "one") })).load("x"), 1);
});

test("a database does not get a second place for values, also where none were saved yet", async () => {
  const [folder, a, b] = [newFolder(), newFolder(), newFolder()];
  await open({ home: a, databaseUrl: database(folder) });
  await refused({ home: b, databaseUrl: database(folder) });
  await refused({ home: b, databaseUrl: database(folder), artifactStorageDir: newFolder() });
  const homes = [newFolder(), newFolder()];
  await open({ home: homes[0]!, databaseUrl: database(folder, "two"), artifactStorageDir: join(a, "v") });
  await refused({ home: homes[1]!, databaseUrl: database(folder, "two"), artifactStorageDir: join(b, "v") });
});

test("a home does not get a second folder for its values", async () => {
  const [home, first, second] = [newFolder(), newFolder(), newFolder()];
  await open({ home, artifactStorageDir: first });
  await refused({ home, artifactStorageDir: second });
});

test("blobs of which nobody tells whose they are, are not taken for what nobody needs", async () => {
  const [folder, home] = [newFolder(), newFolder()];
  const store = await open({ home, databaseUrl: database(folder), artifactStorageDir: join(folder, "v") });
  await store.save("x", 1);
  await closeStores();
  rmSync(join(folder, "v/varve.json"));
  await refused({ home, databaseUrl: database(folder), artifactStorageDir: join(folder, "v") });
  await refused({ home, databaseUrl: database(folder, "new"), artifactStorageDir: join(folder, "v") });
  assert.is(readdirSync(join(folder, "v/blobs/sha256")).length, 1);
});

test("several that open new places at once get one store", async () => {
  for (const place of [{}, { artifactStorageDir: join(newFolder(), "values") }]) {
    const home = newFolder();
    const options = { home, databaseUrl: database(home), ...place };
    const stores = await Promise.all([1, 2, 3].map(() => open(options)));
    await Promise.all(stores.map((store, i) => store.save("x", i)));
    for (const store of stores) for (const version of [0, 1, 2]) await store.load(`x:${version}`);
    assert.is(new Set(stores.map(({ id }) => id)).size, 1);
    await closeStores();
  }
});

test("a home that was made without the folder goes over to it as long as it has no versions", async () => {
  const [home, values] = [newFolder(), newFolder()];
  const plain = await open({ home, environment: [] });
  const composed = await open({ home, artifactStorageDir: values });
  // Opened before: it must not keep values here now. What is asked together with a save does not fail for it.
  const together = [plain.save("here", 1), plain.setAlias("none", "a", 0), plain.save("here", 2)] as const;
  await failure(together[0], "CONFIG");
  await failure(together[1], "NOT_FOUND");
  await failure(together[2], "CONFIG");
  await failure(
    plain.batch((batch) => void batch.save("here", 1)),
    "CONFIG",
  );
  await composed.save("there", 2);
  assert.is(await composed.load("there"), 2);
  assert.is(await plain.has("here"), false);
});

test("a home whose values are in its log does not go over, whoever was first", async () => {
  const [home, values] = [newFolder(), newFolder()];
  const plain = await open({ home });
  await plain.save("here", 1);
  await refused({ home, artifactStorageDir: values });
  await plain.delete("here:0");
  await refused({ home, artifactStorageDir: values });
});

test("buffered metadata keep durable bytes, and what is only read makes nothing", async () => {
  const [home, folder] = [newFolder(), newFolder()];
  const options = { home, databaseUrl: database(folder), artifactStorageDir: join(folder, "v") };
  await failure(open({ ...options, readOnly: true }), "NOT_FOUND");
  await failure(open({ ...options, create: false }), "NOT_FOUND");
  assert.equal(readdirSync(folder), []);
  mkdirSync(join(folder, "v"));
  writeFileSync(join(folder, "v/note.txt"), "mine");
  const store = await open({ ...options, durability: "buffered" });
  await store.save("x", 1);
  await closeStores();
  assert.is(await (await open({ ...options, readOnly: true })).load("x"), 1);
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { pinsRange } from "../../engine/artifact-key.ts";
import type { LogBlobsOptions } from "../../engine/composed/log-blobs.ts";
import { type LogBlobs, openLogBlobs, storeIdOfLog } from "../../engine/composed/log-blobs.ts";
import { openEngine } from "../../engine/key-value.ts";
import { openCore } from "../../engine/open.ts";
import { inPieces, isThere, listed, MIB, putSamples, sample } from "../conformance/blob-places.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { WatchedFiles } from "../helpers/files.ts";
import { newFolder } from "../helpers/folders.ts";
import { closeAll, openTestStore, track } from "../helpers/stores.ts";
import { damageInLog } from "./support.ts";
import "../helpers/whole-suites.ts";

/** What the suite of the port can't see: rows, records, and the homes of other kinds. */
const test = suite("the rows of a log of values");
test.after.each(closeAll);

const ID = "00112233445566778899aabbccddeeff";

async function open(home: string, options: LogBlobsOptions = {}): Promise<LogBlobs> {
  return track(await openLogBlobs(home, { durability: "buffered", ...options }));
}

test("a home is of one kind, and who opens it as another is told what it is", async () => {
  const [artifacts, keys, values] = [newFolder(), newFolder(), newFolder()] as [string, string, string];
  await (await openTestStore(artifacts)).close();
  await (await openEngine(keys)).close();
  await (await open(values)).close();
  for (const home of [artifacts, keys]) {
    await failureWithHint(open(home), "CONFIG");
    await failureWithHint(() => storeIdOfLog(home), "CONFIG");
  }
  await failureWithHint(openTestStore(values), "CONFIG");
  await failureWithHint(openEngine(values), "CONFIG");
  // Also while it is open, and its kind is known from there.
  const store = await open(values);
  const error = await failureWithHint(openTestStore(values), "CONFIG");
  assert.match(error.message, /metadata are in a database/);
  assert.match(error.hint!, /databaseUrl/);
  const [one] = await putSamples(store, [1000]);
  await isThere(store, one!);
});

test("a new log has the id that is given, one that is there keeps its own", async () => {
  const home = newFolder();
  assert.is(storeIdOfLog(home), undefined);
  await failureWithHint(open(home, { storeId: "x" }), "CONFIG");
  assert.is(storeIdOfLog(home), undefined);
  const store = await open(home, { storeId: ID });
  assert.is(await store.storeId(), ID);
  assert.is(storeIdOfLog(home), ID);
  await store.bind(ID);
  await store.close();
  const again = await open(home, { storeId: "f".repeat(32) });
  assert.is(await again.storeId(), ID);
  await failureWithHint(again.bind("f".repeat(32)), "CONFIG");
  const other = await open(newFolder());
  assert.match((await other.storeId()) ?? "", /^[0-9a-f]{32}$/);
});

test("a put of what is there is noted once a minute, and takes no room in between", async () => {
  const home = newFolder();
  let now = Date.UTC(2026, 0, 1);
  const store = await open(home, { clock: () => new Date(now) });
  for (const size of [1000, 2 * MIB]) {
    const [one] = await putSamples(store, [size]);
    const putAt = async () =>
      (await listed(store)).find(({ digest }) => Buffer.compare(digest, one!.digest) === 0)!.putAt;
    const first = await putAt();
    const logBytes = () => withLogBytes(home);
    const before = await logBytes();
    now += store.capabilities.putAtSlackMilliseconds;
    for (let i = 0; i < 20; i++) await store.put(one!.bytes, one!.digest);
    assert.is(await putAt(), first);
    assert.is(await logBytes(), before);
    now += 1;
    await store.put(one!.bytes, one!.digest);
    assert.is(await putAt(), now);
    assert.ok((await logBytes()) > before);
  }
});

test("a small copy that is damaged is written again by the bytes in hand", async () => {
  const home = newFolder();
  const store = await open(home);
  const [one] = await putSamples(store, [1000]);
  await store.close();
  await damageInLog(home, one!.digest);
  const again = await open(home);
  await failureWithHint(again.get(one!.digest, one!.size), "CORRUPTION");
  await again.put(one!.bytes, one!.digest);
  await isThere(again, one!);
});

test("records of removals and of repeated puts go where they take much of the log", async () => {
  const home = newFolder();
  let now = Date.UTC(2026, 0, 1);
  const store = await open(home, { clock: () => new Date(now) });
  const [stays, ...rest] = await putSamples(
    store,
    Array.from({ length: 2000 }, (_, i) => 1 + (i % 5)),
  );
  for (let i = 0; i < 200; i++) {
    now += 61_000;
    await store.put(stays!.bytes, stays!.digest);
  }
  await store.remove(
    rest.map(({ digest }) => digest),
    now + 1,
  );
  await store.put(stays!.bytes, stays!.digest);
  await store.collect(now);
  assert.ok((await withLogBytes(home)) < 8_000, `${await withLogBytes(home)} bytes are left`);
  await isThere(store, stays!);
  assert.is((await listed(store)).length, 1);
});

test("what failed half-way leaves no pin, and its bytes go", async () => {
  const home = newFolder();
  const store = await open(home);
  const { bytes } = sample(20 * MIB);
  const half = async function* () {
    yield* inPieces(bytes, MIB);
    throw new Error("no more");
  };
  await failureWithHint(store.putPieces(half()), "IO");
  const { core, release } = await openCore(home, { application: "valuelog" });
  core.refresh();
  assert.is(core.rows(pinsRange()).length, 0);
  await release();
  assert.ok((await withLogBytes(home)) > 10 * MIB);
  await store.collect(0);
  assert.ok((await withLogBytes(home)) < 64 * 1024);
});

test("small ones that are put at once go to the disk together", async () => {
  const files = new WatchedFiles();
  const store = await open(newFolder(), { durability: "durable", files });
  await putSamples(store, [1]);
  files.counts.syncs = 0;
  files.counts.appends = 0;
  await putSamples(
    store,
    Array.from({ length: 200 }, (_, i) => 100 + i),
  );
  assert.ok(files.counts.syncs <= 3, `${files.counts.syncs} syncs`);
  assert.ok(files.counts.appends <= 3, `${files.counts.appends} appends`);
});

test("a put is told once it is on the disk, one that is there already too", async () => {
  const files = new WatchedFiles();
  const store = await open(newFolder(), { durability: "durable", files });
  let isSynced = false;
  files.onSync = async () => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    isSynced = true;
  };
  const one = sample(1000);
  const first = store.put(one.bytes, one.digest).then(() => assert.ok(isSynced));
  await new Promise((resolve) => setTimeout(resolve, 10));
  const second = store.put(one.bytes, one.digest).then(() => assert.ok(isSynced));
  await Promise.all([first, second]);
});

function withLogBytes(home: string): Promise<number> {
  return openCore(home, { application: "valuelog" }).then(async ({ core, release }) => {
    const { logBytes } = core.fileSpace();
    await release();
    return logBytes;
  });
}

test.run();

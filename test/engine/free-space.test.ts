import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openEngine } from "../../engine/key-value.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { WatchedFiles } from "../helpers/files.ts";
import { newFolder } from "../helpers/folders.ts";
import { closeAll, openSeamStore, track } from "../helpers/stores.ts";

const test = suite("free space");
test.after.each(closeAll);

const MIB = 1024 * 1024;
const minFreeSpace = 64 * MIB;
const OPERATIONS = 10_000;

/** Room for little more than what is to stay free: saves fit, and no batch of ten thousand small things. */
function scarceFiles(): WatchedFiles {
  const files = new WatchedFiles();
  files.onFreeBytes = () => minFreeSpace + 8 * MIB;
  return files;
}

test("a batch of many small operations does not go through minFreeSpace", async () => {
  const files = scarceFiles();
  const engine = track(await openEngine(newFolder(), { files, minFreeSpace } as never));
  await engine.put("a", 1);
  const { appends } = files.counts;
  const puts = Array.from({ length: OPERATIONS }, (_, i) => ({ type: "put" as const, key: i, value: i }));
  const { outcome } = await failureWithHint(engine.batch(puts), "NO_SPACE");
  assert.is(outcome, undefined);
  assert.is(files.counts.appends, appends, "nothing was written");
  await engine.batch(puts.slice(0, 100));
  assert.is(await engine.get(99), 99);
});

test("nor does a batch of a store", async () => {
  const files = scarceFiles();
  const store = await openSeamStore(newFolder(), { files, minFreeSpace });
  await store.save("a", 0);
  const { appends } = files.counts;
  const alias = (count: number) =>
    store.batch((batch) => {
      for (let i = 0; i < count; i++) batch.setAlias("a", `x${i}`, 0);
    });
  await failureWithHint(alias(OPERATIONS), "NO_SPACE");
  assert.is(files.counts.appends, appends, "nothing was written");
  await alias(100);
  assert.is((await store.aliases("a")).x99, 0);
});

test("nor does one value that is larger than what is free above it", async () => {
  const files = scarceFiles();
  const store = await openSeamStore(newFolder(), { files, minFreeSpace });
  await failureWithHint(store.save("a", Buffer.alloc(9 * MIB)), "NO_SPACE");
  await store.save("a", Buffer.alloc(7 * MIB));
});

test("nor do several that would fit alone", async () => {
  const engine = track(await openEngine(newFolder(), { files: scarceFiles(), minFreeSpace } as never));
  // In one turn, so in one group.
  const calls = [1, 2, 3].map((key) => engine.put(key, Buffer.alloc(3 * MIB)));
  const outcomes = (await Promise.allSettled(calls)).map(({ status }) => status);
  assert.equal(outcomes, ["fulfilled", "fulfilled", "rejected"]);
  await failureWithHint(calls[2]!, "NO_SPACE");
});

test.run();

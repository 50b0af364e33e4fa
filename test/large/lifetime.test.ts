import { rmSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { killPrograms } from "../helpers/processes.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, openSeamStore, openTestStore } from "../helpers/stores.ts";
import { otherProcess } from "./other-process.ts";
import type { Waiting } from "./support.ts";
import {
  allFreed,
  BUFFERED,
  collected,
  digestOf,
  listed,
  MIB,
  nodesOf,
  noise,
  pieces,
  pinned,
  pinsOf,
  restOf,
  same,
  waiting,
  whole,
} from "./support.ts";

/** Chunks are kept as long as something needs them, and no longer. */
const test = suite("the life of large values");
test.after.each(closeAll);
test.after.each(killPrograms);

const random = new Random("the life of large values");

async function opened(): Promise<{ home: string; store: ArtifactStore }> {
  const home = newFolder();
  return { home, store: await openTestStore(home, BUFFERED) };
}

test("what was deleted comes back until it is compacted, and takes nothing from then on", async () => {
  const { home, store } = await opened();
  // The second has a list of lists, all of which have to go.
  for (const bytes of [noise(random), listed(random, 3)]) {
    const { ref } = await store.save("a", pieces(bytes, random));
    await store.delete(ref);
    same(await (await store.undelete(ref)).value(), bytes);
    await store.delete(ref);
    // Nothing is rewritten, but from here on nothing keeps its bytes.
    await store.compact({ deadShare: 1 });
    await failureWithHint(store.undelete(ref), "NOT_FOUND");
    await allFreed(home, store);
    for (const call of [() => store.undelete(ref), () => store.load(ref), () => store.get(ref)]) {
      const { hint } = await failureWithHint(call, "NOT_FOUND");
      assert.match(hint!, /compacted away|until then/);
    }
    for await (const { digest, size } of store.list({ name: "a", deleted: true, limit: 1 }))
      assert.equal([digest, size], [digestOf(bytes), bytes.length]);
    await store.save("a", bytes);
    same(await store.load("a"), bytes);
    assert.ok((await store.undelete(ref)) !== undefined, "its bytes are there again");
    await store.delete("a:all");
  }
  await allFreed(home, store);
});

test("of two values that share most chunks, either stays whole when the other goes", async () => {
  for (const gone of ["a:0", "b:0"]) {
    const { home, store } = await opened();
    const bytes = noise(random, 4 * MIB);
    const edited = Buffer.concat([bytes.subarray(0, 2 * MIB), Buffer.alloc(9), bytes.subarray(2 * MIB)]);
    await store.save("a", bytes);
    await store.save("b", pieces(edited, random));
    await store.delete(gone);
    const { freedBytes } = await store.compact();
    assert.ok(freedBytes > 10_000 && freedBytes < MIB, `${freedBytes} bytes are freed`);
    await whole(store);
    same(await store.load(gone === "a:0" ? "b" : "a"), gone === "a:0" ? edited : bytes);
    assert.ok((await store.stats()).logBytes < 5 * MIB);
    await store.delete(gone === "a:0" ? "b:0" : "a:0");
    await allFreed(home, store);
  }
});

test("a value that is a part of another, and one of equal chunks, are counted for themselves", async () => {
  const { home, store } = await opened();
  const bytes = noise(random, 3 * MIB);
  const zeros = Buffer.alloc(5 * MIB);
  await store.save("whole", bytes);
  await store.save("part", bytes.subarray(0, 2 * MIB));
  await store.save("zeros", zeros);
  await store.save("fewer", zeros.subarray(0, 3 * MIB));
  await store.delete("whole:0");
  await store.delete("zeros:0");
  await store.compact();
  same(await store.load("part"), bytes.subarray(0, 2 * MIB));
  same(await store.load("fewer"), zeros.subarray(0, 3 * MIB));
  await whole(store);
  await store.delete("part:0");
  await store.delete("fewer:0");
  await allFreed(home, store);
});

test("a save under way keeps what it has written, and its pins go with its end", async () => {
  const { home, store } = await opened();
  const bytes = noise(random, 12 * MIB);
  const { source, waits, goOn } = waiting(bytes, 11 * MIB);
  const saving = store.save("a", source);
  await waits;
  await pinned(home);
  await store.compact();
  assert.ok((await pinsOf(home)) > 0);
  goOn();
  const { digest } = await saving;
  assert.is(digest, digestOf(bytes));
  assert.is(await pinsOf(home), 0);
  await store.compact();
  same(await store.load("a"), bytes);
  await whole(store);
  await store.delete("a:0");
  await allFreed(home, store);
});

/** Saves a value whose beginning an old version has; in the middle something is done. Gives how that ended. */
async function savedOver(
  store: ArtifactStore,
  bytes: Buffer,
  start: number,
  meanwhile: (save: Waiting) => Promise<unknown>,
): Promise<"saved" | "gone"> {
  await store.save("old", bytes.subarray(0, start));
  const save = waiting(bytes, start);
  const saving = store.save("new", save.source);
  saving.catch(() => {});
  await save.waits;
  await meanwhile(save);
  save.goOn();
  try {
    assert.is((await saving).digest, digestOf(bytes));
  } catch (error) {
    if ((error as { code?: string }).code !== "UNAVAILABLE") throw error;
    assert.match((error as Error).message, /compacted away/);
    return "gone";
  }
  await store.compact();
  await whole(store);
  same(await store.load("new"), bytes);
  return "saved";
}

test("a save that has only met what was there is whole, or fails and can be made again", async () => {
  const lists = listed(random, 3);
  const few = noise(random, 2 * MIB);
  for (const [deadShare, bytes, start] of [
    [0, lists, 9 * MIB],
    // Nothing is rewritten, so all blobs are there still, but what says that they are needed is not.
    [1, lists, 9 * MIB],
    [0, few, 2 * MIB],
    [1, few, 2 * MIB],
    [1, lists, lists.length],
  ] as const) {
    const { home, store } = await opened();
    await savedOver(store, bytes, start, async () => {
      await store.delete("old:0");
      await store.compact({ deadShare });
    });
    if (!(await store.has("new"))) await store.save("new", Readable.from([bytes]));
    await store.compact();
    same(await store.load("new"), bytes);
    await whole(store);
    await store.delete("new:0");
    await allFreed(home, store);
  }
});

test("bytes and files are saved whatever goes meanwhile", async () => {
  const { store } = await opened();
  const bytes = listed(random, 3);
  await store.save("old", bytes);
  let disturbed = false;
  let disturbing: Promise<unknown> | undefined;
  const onProgress = ({ done }: { done: number }) => {
    if (disturbed || done < 6 * MIB) return;
    disturbed = true;
    disturbing = store.delete("old:0").then(() => store.compact());
  };
  const saved = await store.save("new", bytes, { onProgress });
  await disturbing;
  assert.is(saved.digest, digestOf(bytes));
  await store.compact();
  same(await store.load("new"), bytes);
  await whole(store);
});

test("another process may delete and compact in the middle of a save, and of a stream", async () => {
  const { home, store } = await opened();
  const other = await otherProcess(home);
  const bytes = noise(random, 4 * MIB);
  await store.save("read", bytes);
  const reader = (await store.get("read")).stream().getReader();
  const first = (await reader.read()).value!;
  const save = waiting(bytes.subarray(5), 3 * MIB);
  const saving = store.save("new", save.source);
  await save.waits;
  assert.is((await other.ask("delete read:0")).code, undefined);
  assert.is((await other.ask("compact")).code, undefined);
  same(Buffer.concat([first, ...(await restOf(reader))]), bytes, "a stream gives all its bytes");
  assert.is((await other.ask("compact")).code, undefined);
  save.goOn();
  await saving;
  assert.is((await other.ask("compact")).code, undefined);
  assert.is(await other.ask("load new"), digestOf(bytes.subarray(5)));
  same(await store.load("new"), bytes.subarray(5));
  await whole(store);
});

test("the same the other way round", async () => {
  const { home, store } = await opened();
  const other = await otherProcess(home);
  const bytes = noise(random, 4 * MIB);
  await store.save("read", bytes);
  await other.ask("open read");
  await other.ask(`save new 7 ${12 * MIB}`);
  await store.delete("read:0");
  await store.compact();
  assert.is(await other.ask("rest"), digestOf(bytes));
  await store.compact();
  const { digest } = await other.ask("go");
  await store.compact();
  assert.is(digest, digestOf(await store.load<Uint8Array>("new")));
  assert.is(await pinsOf(home), 0);
  await whole(store);
});

test("an artifact from before a compaction says that its bytes are gone, also while a stream keeps the files", async () => {
  const { store } = await opened();
  const bytes = noise(random, 3 * MIB);
  const artifact = await store.save("a", bytes);
  const reader = artifact.stream().getReader();
  await reader.read();
  await store.delete("a:0");
  await store.compact();
  const reads = [() => artifact.bytes(), () => artifact.value(), () => collected(artifact.stream())];
  for (const read of reads) await failure(read, "NOT_FOUND");
  await reader.cancel();
  for (const read of reads) await failure(read, "NOT_FOUND");
});

test("an index made anew from the log says the same, and frees the same", async () => {
  const { home, store } = await opened();
  const bytes = noise(random, 4 * MIB);
  await store.save("a", bytes);
  await store.save("a", bytes.subarray(MIB));
  await store.save("b", pieces(bytes.subarray(0, 3 * MIB), random));
  await store.delete("a:1");
  const facts = async () => {
    const { indexBytes, ...stats } = await store.stats();
    return [stats, await nodesOf(home), (await store.compact({ dryRun: true })).freedBytes];
  };
  const before = await facts();
  await store.rebuildIndex();
  assert.equal(await facts(), before);
  same(await store.load("a"), bytes);
  await whole(store);
  await store.delete("a:0");
  await store.compact();
  same(await store.load("b"), bytes.subarray(0, 3 * MIB));
  await store.rebuildIndex();
  await whole(store);
  await store.delete("b:0");
  await allFreed(home, store);
});

test("pins of before a reboot, and of a copied store, keep nothing", async () => {
  const { home, store } = await opened();
  const save = waiting(noise(random, 12 * MIB), 11 * MIB);
  const saving = store.save("a", save.source);
  await save.waits;
  await pinned(home);
  const copy = copyHome(home);
  rmSync(join(copy, "lock"), { recursive: true });
  save.goOn();
  await saving;
  const again = await openSeamStore(copy, {}, "buffered");
  assert.ok((await pinsOf(copy)) > 0);
  assert.ok((await again.stats()).logBytes > 8 * MIB);
  await allFreed(copy, again);
  await store.compact();
  assert.is((await store.load<Uint8Array>("a")).length, 12 * MIB);
});

test.run();

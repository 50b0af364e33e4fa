import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import { chunksOf } from "../../engine/chunk/chunks.ts";
import { MEDIA_TYPE_BYTES } from "../../engine/codec/bytes.ts";
import type { VarveErrorCode } from "../../engine/errors.ts";
import { PinnedWriter } from "../../engine/large/pinned-writer.ts";
import { asVersion, saveLarge } from "../../engine/large/save-large.ts";
import { storeChunks } from "../../engine/large/store-chunks.ts";
import type { FoundVersion } from "../../engine/operations.ts";
import type { TakenValue } from "../../engine/save.ts";
import { planSave, refNow, takeOptions } from "../../engine/save.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { healAll } from "../helpers/failing-disk.ts";
import { systemError, WatchedFiles } from "../helpers/files.ts";
import { newFolder } from "../helpers/folders.ts";
import { killPrograms } from "../helpers/processes.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, openSeamStore, openTestStore } from "../helpers/stores.ts";
import { otherProcess } from "./other-process.ts";
import type { Waiting } from "./support.ts";
import {
  allFreed,
  BUFFERED,
  digestOf,
  listed,
  MIB,
  noise,
  nothingFound,
  pieces,
  pinned,
  pinsOf,
  same,
  waiting,
  whole,
  withCore,
} from "./support.ts";

/** Of a save of a large value that fails, however it does, nothing is left. */
const test = suite("saves of large values that fail");
test.after.each(closeAll);
test.after.each(killPrograms);

const random = new Random("saves of large values that fail");
/** More than is written at once, so that there is something of it before the end. */
const SIZE = 12 * MIB;
const MIDDLE = 11 * MIB;

/** Nobody finds a version, no pin is left, and what was written goes. */
async function nothingLeft(home: string, store: ArtifactStore): Promise<void> {
  await nothingFound(home, store, "a");
  await allFreed(home, store);
}

/** Begins to save a stream, does something in its middle, and gives the error that it ends with. */
async function failsWith(
  store: ArtifactStore,
  code: VarveErrorCode,
  options: object,
  meanwhile: (save: Waiting) => unknown,
) {
  const save = waiting(noise(random, SIZE), MIDDLE);
  const failed = failure(store.save("a", save.source, options), code);
  await save.waits;
  await meanwhile(save);
  return failed;
}

test("aborted in the middle, while the source does not answer", async () => {
  const home = newFolder();
  const store = await openTestStore(home, BUFFERED);
  const abort = new AbortController();
  await failsWith(store, "ABORTED", { signal: abort.signal }, async () => {
    await pinned(home);
    abort.abort();
  });
  await nothingLeft(home, store);
});

test("a source that fails, one that gives no bytes, and one that is closed from outside", async () => {
  const home = newFolder();
  const store = await openTestStore(home, BUFFERED);
  const bytes = noise(random, MIDDLE);
  const failed = new RangeError("the source failed");
  const endings: [VarveErrorCode, () => unknown][] = [
    ["IO", () => Promise.reject(failed)],
    ["UNSUPPORTED_VALUE", () => "text"],
    ["UNSUPPORTED_VALUE", () => undefined],
  ];
  for (const [code, ending] of endings) {
    async function* source() {
      yield* pieces(bytes, random);
      yield (await ending()) as Uint8Array;
    }
    const error = await failureWithHint(store.save("a", source()), code);
    if (code === "IO") assert.is(error.cause, failed);
    assert.not(await store.has("a"));
    assert.is(await pinsOf(home), 0);
  }
  await nothingLeft(home, store);
});

test("somebody else saves, or takes an input away, before the end", async () => {
  const home = newFolder();
  const store = await openTestStore(home, BUFFERED);
  await store.save("in", 1);
  await failsWith(store, "CONFLICT", { ifVersion: "absent" }, async ({ goOn }) => {
    await store.save("a", 1);
    goOn();
  });
  await store.delete("a:0");
  await failsWith(store, "NOT_FOUND", { inputs: ["in"] }, async ({ goOn }) => {
    await store.delete("in:0");
    goOn();
  });
  const { version } = await store.save("a", 2, { ifVersion: "absent" });
  assert.is(version, 1);
  await store.delete("a:1");
  await nothingLeft(home, store);
});

for (const [what, code, fail] of [
  ["a full disk", "NO_SPACE", (files) => (files.onAppend = fails("ENOSPC"))],
  ["a disk that does not write", "IO", (files) => (files.onAppend = fails("EIO"))],
] as [string, VarveErrorCode, (files: WatchedFiles) => void][]) {
  test(`${what}, in the middle`, async () => {
    const files = new WatchedFiles();
    const home = newFolder();
    const store = await openSeamStore(home, { files }, "buffered");
    const error = await failsWith(store, code, {}, ({ goOn }) => {
      fail(files);
      goOn();
    });
    assert.is(error.outcome, undefined);
    assert.not(await store.has("a"));
    healAll(files);
    const bytes = noise(random, SIZE);
    await store.save("b", pieces(bytes, random));
    same(await store.load("b"), bytes);
    await store.delete("b:0");
    // Pins that could not be removed either are kept until the store is closed.
    await store.close();
    const again = await openTestStore(home, BUFFERED);
    await again.compact();
    await nothingLeft(home, again);
  });
}

function fails(code: string) {
  return () => {
    throw systemError(code, "write");
  };
}

test("one write that fails, though all others go well", async () => {
  const files = new WatchedFiles();
  const home = newFolder();
  const store = await openSeamStore(home, { files }, "buffered");
  files.onAppend = () => {
    files.onAppend = undefined;
    throw systemError("EIO", "write");
  };
  await failure(store.save("a", pieces(noise(random, SIZE), random)), "IO");
  await nothingLeft(home, store);
});

test("a disk that fails while the end is synced leaves the version whole, or none, and says so", async () => {
  const files = new WatchedFiles();
  const home = newFolder();
  const store = await openSeamStore(home, { files });
  const bytes = noise(random, SIZE);
  const save = waiting(bytes, MIDDLE);
  const saving = store.save("a", save.source);
  await save.waits;
  files.onSync = () => {
    throw systemError("EIO", "fdatasync");
  };
  save.goOn();
  const outcome = await saving.then(
    () => "saved",
    (error) => error.outcome,
  );
  assert.is(outcome, "unknown");
  await store.close();
  const again = await openTestStore(home);
  if (await again.has("a")) same(await again.load("a"), bytes);
  await whole(again);
  if (await again.has("a")) await again.delete("a:0");
  await allFreed(home, again);
});

test("killed in the middle: nobody sees a version, and what it wrote goes with the next compaction", async () => {
  const home = newFolder();
  const store = await openTestStore(home, BUFFERED);
  await store.save("other", 1);
  const program = await otherProcess(home);
  await program.ask(`save a 5 ${SIZE}`);
  await pinned(home);
  await store.compact();
  assert.ok((await pinsOf(home)) > 0, "it is alive: what it wrote stays");
  assert.ok((await store.stats()).logBytes > 8 * MIB);
  await program.kill();
  await new Promise(setImmediate);
  assert.not(await store.has("a"));
  await whole(store);
  await store.delete("other:0");
  await allFreed(home, store);
});

test("a process that was taken for gone: its save is UNAVAILABLE, and nothing of it is there", async () => {
  const home = newFolder();
  const store = await openSeamStore(home, { times: { silenceMax: 200 } }, "buffered");
  const program = await otherProcess(home, { times: { beat: 60_000 } });
  await program.ask(`save a 5 ${SIZE}`);
  await pinned(home);
  await new Promise((resolve) => setTimeout(resolve, 300));
  await store.compact();
  assert.is(await pinsOf(home), 0);
  const { code, message } = await program.ask("go");
  assert.is(code, "UNAVAILABLE");
  assert.match(message, /compacted away/);
  await new Promise(setImmediate);
  await nothingLeft(home, store);
  await program.ask(`save a 5 ${SIZE}`);
  const { digest } = await program.ask("go");
  assert.is(digest, digestOf(await store.load<Uint8Array>("a")));
});

/** A save behind the call, in whose middle the pins are taken away, as if it had been stopped for long. */
async function saveWithoutPins(
  home: string,
  store: ArtifactStore,
  from: TakenValue["from"],
): Promise<FoundVersion> {
  let groups = 0;
  const room = async () => {
    if (++groups !== 2) return;
    await new Promise((resolve) => setTimeout(resolve, 150));
    await store.compact();
  };
  return withCore(home, (core) => {
    const taken = takeOptions("a", {}, refNow);
    const value = { from, mediaType: MEDIA_TYPE_BYTES, isForeign: from instanceof Uint8Array };
    const refer = asVersion(MEDIA_TYPE_BYTES, (planned) =>
      planSave(core, "a", planned, taken, undefined, undefined),
    );
    return saveLarge({ core, settings: { durable: false, room }, value, refer }, {});
  });
}

test("a value that was all there, and went right before the end, is not taken for kept", async () => {
  const home = newFolder();
  const store = await openTestStore(home, BUFFERED);
  const bytes = noise(random);
  await store.save("old", bytes);
  await withCore(home, async (core) => {
    const settings = { durable: false, room: () => undefined, pinsAtOnce: false };
    const writer = new PinnedWriter(core, settings);
    await storeChunks(chunksOf(bytes), (part) => writer.add(part));
    await store.delete("old:0");
    await store.compact({ deadShare: 1 });
    await failure(
      writer.finish(() => assert.unreachable(), 0),
      "UNAVAILABLE",
    );
    await writer.abandon();
  });
  await nothingLeft(home, store);
});

test("what can be read again is saved all the same; of what can't nothing is left", async () => {
  const home = newFolder();
  const store = await openSeamStore(home, { times: { silenceMax: 100, beat: 60_000 } }, "buffered");
  const bytes = listed(random, 5);
  await failure(saveWithoutPins(home, store, pieces(bytes, random)), "UNAVAILABLE");
  await nothingLeft(home, store);
  assert.is((await saveWithoutPins(home, store, bytes)).version, 0);
  await store.compact();
  same(await store.load("a"), bytes);
  await whole(store);
});

test.run();

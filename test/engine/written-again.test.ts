import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { logFolder } from "../../engine/maintenance/home.ts";
import { writeAgain } from "../../engine/maintenance/write-again.ts";
import { damageText, segmentsOf } from "../helpers/damage.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { assertWhole, failAll, failHeld, failOnce, healAll, newSeam, turn } from "../helpers/failing-disk.ts";
import type { WatchedFiles } from "../helpers/files.ts";
import { gate, systemError } from "../helpers/files.ts";
import { lockOf } from "../helpers/lock-homes.ts";
import { closeAll, openSeamStore, openTestStore } from "../helpers/stores.ts";

const test = suite("written again");
test.after.each(closeAll);

test("what waited is written again to a new segment, and acknowledged", async () => {
  const { files, home, store } = await newSeam();
  await store.save("safe", 1);
  failOnce(files);
  files.calls.length = 0;
  const saves = await Promise.all([store.save("a", 1), store.save("b", 2), store.save("a", 3)]);
  assert.equal(
    saves.map(({ ref }) => ref),
    ["a:0", "b:0", "a:1"],
  );
  assert.equal(files.calls, [
    "append 0000000001.varve",
    "append new.tmp",
    "sync new.tmp",
    "publish 0000000002.varve",
    "syncFolder log",
  ]);
  assert.is(await store.load("a"), 3);
  assert.is((await store.save("safe", 2)).version, 1);
  assert.is(files.calls.at(-1), "sync 0000000002.varve");
  await assertWhole(home, store);
});

test("rows, places and counts of references come out the same, whatever the batches did", async () => {
  const { files, home, store } = await newSeam("durable", { segmentBytesMax: 4_000 });
  const shared = Buffer.alloc(700, 1);
  const large = Buffer.alloc(100_000, 2);
  for (let i = 0; i < 5; i++) await store.save("kept", { i, shared });
  await store.save("shared", shared);
  await store.delete("kept:1");
  await store.setAlias("kept", "x", 0);
  failOnce(files);
  await Promise.all([
    store.save("kept", shared),
    store.save("other", shared),
    store.save("other", large),
    store.delete("shared:0"),
    store.undelete("kept:1"),
    store.save("made", 1, { inputs: ["kept:2"], tags: { stage: "dev" } }),
    store.annotate("kept:3", { tags: { twice: "a" } }),
    store.annotate("kept:3", { tags: { twice: "b" } }),
    store.setAlias("kept", "x", 2),
    store.setAlias("kept", "y", 2),
    store.deleteAlias("kept", "x"),
    store.delete("other:0"),
    store.batch((batch) => {
      batch.save("batched", large);
      batch.save("batched", shared);
    }),
    store
      .batch((batch) => {
        batch.save("undone", Buffer.alloc(600, 3));
        batch.delete("none:0");
      })
      .catch(() => {}),
  ]);
  assert.ok(large.equals(await store.load<Uint8Array>("other")));
  assert.ok(shared.equals(await store.load<Uint8Array>("batched")));
  await assertWhole(home, store);
});

test("while the disk fails waiting calls are rejected with an open outcome, later ones write nothing, and reading works", async () => {
  const { files, home, store } = await newSeam();
  await store.save("a", "safe");
  failAll(files);
  for (const result of await Promise.allSettled([store.save("a", 1), store.delete("a:0")])) {
    const { reason } = result as PromiseRejectedResult;
    assert.equal([reason.code, reason.outcome], ["IO", "unknown"]);
    assert.ok(reason.hint);
  }
  files.onSync = undefined;
  const { appends } = files.counts;
  assert.is((await failureWithHint(store.save("b", 1), "IO")).outcome, undefined, "nothing of it is written");
  assert.is(files.counts.appends, appends);
  await failure(store.load("a:1"), "IO");
  await store.close();
  const again = await openTestStore(home);
  assert.is(await again.load("a:1"), 1, "written again when all had closed");
  assert.equal((await again.save("a", 2, { ifVersion: 1 })).version, 2);
  await assertWhole(home, again);
});

test("at the next opening the disk may still fail: the store opens, is read, and writes once the disk does", async () => {
  const { files, home, store } = await newSeam();
  await store.save("a", "safe");
  failAll(files);
  await failure(store.save("a", 1), "IO");
  await store.close();
  const again = await openSeamStore(home, { files });
  assert.is(await again.load("a:0"), "safe");
  await failureWithHint(again.save("a", 2), "IO");
  await again.close();
  files.onSync = undefined;
  const last = await openSeamStore(home, { files });
  assert.is(await last.load("a:1"), 1);
  assert.is((await last.save("a", 2)).version, 2);
  await assertWhole(home, last);
});

test("a procedure that finds no room is NO_SPACE, and is done by the next save when there is some", async () => {
  const { files, home, store } = await newSeam();
  await store.save("a", 0);
  failOnce(files, () => {
    files.onAppend = () => {
      throw systemError("ENOSPC", "write");
    };
  });
  assert.is((await failureWithHint(store.save("a", 1), "NO_SPACE")).outcome, "unknown");
  assert.is((await failureWithHint(store.save("a", 2), "NO_SPACE")).outcome, undefined);
  files.onAppend = undefined;
  assert.is((await store.save("a", 2)).version, 2, "a:1 was written again before");
  assert.is(await store.load("a:1"), 1);
  await assertWhole(home, store);
});

test("each step of the procedure may fail: the one at the next opening leaves nothing out", async () => {
  type Break = (files: WatchedFiles) => void;
  const eio = (doing: string) => systemError("EIO", doing);
  const steps: Record<string, Break> = {
    create: (files) => {
      files.onOpen = (_, mode) => {
        if (mode === "create") throw eio("open");
      };
    },
    "half a write": (files) => {
      files.onAppend = (pieces, write) => {
        const bytes = Buffer.concat(pieces);
        write([bytes.subarray(0, bytes.length / 2)]);
        throw eio("write");
      };
    },
    sync: (files) => failAll(files),
    "before the name": (files) => {
      files.onPublish = () => {
        throw eio("link");
      };
    },
    "sync of the name": (files) => {
      files.onSyncFolder = () => {
        throw eio("fsync");
      };
    },
  };
  for (const [step, fail] of Object.entries(steps)) {
    const { files, home, store } = await newSeam();
    await store.save("a", 0);
    failOnce(files, () => fail(files));
    assert.is((await failureWithHint(store.save("a", 1), "IO")).outcome, "unknown", step);
    healAll(files);
    await failure(store.save("a", 2), "IO");
    await store.close();
    const again = await openTestStore(home);
    assert.is(await again.load("a:1"), 1, step);
    assert.is((await again.save("a", 2)).version, 2, step);
    await assertWhole(home, again);
  }
});

test("those who began it and failed may each have known more to be durable: the rows of all that was moved follow", async () => {
  const { files, home, store } = await newSeam("buffered");
  const syncing = gate();
  files.onSync = async () => syncing.opened;
  for (let i = 0; i < 5; i++) await store.save("a", i);
  const lock = lockOf(home);
  const state = lock.state()!;
  const failing = Object.assign(Object.create(nodeFileSystem), {
    syncFolder: () => {
      throw systemError("EIO", "fsync");
    },
  });
  for (const durableSequence of [2, 4])
    await failure(() => writeAgain(failing, logFolder(home), { ...state, durableSequence }, 0), "IO");
  lock.holdSync(() => lock.setState({ ...state, durableSequence: 4, syncFailed: true }));
  files.onSync = undefined;
  syncing.open();
  assert.is((await store.save("a", 5)).version, 5);
  await assertWhole(home, store);
});

test("a batch that can't be read back ends the log: it is rejected and reported, and its version given again", async () => {
  const { files, home, store, warnings } = await newSeam();
  await store.save("a", "safe");
  const syncing = gate();
  files.onSync = async () => syncing.opened;
  const first = store.save("a", "whole");
  await turn();
  failOnce(files, (path) => damageText(path, "damaged-here"));
  const second = first.then(() => store.save("a", "damaged-here"));
  syncing.open();
  assert.is((await first).version, 1);
  assert.is((await failureWithHint(second, "IO")).outcome, "unknown");
  assert.ok(
    warnings.some((text) => text.includes("operations 3 to 3")),
    warnings.join("\n"),
  );
  assert.is(await store.load("a"), "whole");
  assert.is((await store.save("a", "next")).version, 2);
  assert.is(await store.load("a:2"), "next");
  await assertWhole(home, store);
});

test("of a group only what stands behind the damage is rejected", async () => {
  const { files, home, store } = await newSeam("buffered");
  await store.save("a", "safe");
  await turn();
  const syncing = gate();
  files.onSync = () => syncing.opened.then(() => Promise.reject(systemError("EIO", "fdatasync")));
  await store.save("a", "whole");
  await store.save("a", "damaged-here");
  await turn();
  damageText(segmentsOf(home)[0]!, "damaged-here");
  files.onSync = undefined;
  syncing.open();
  await failureWithHint(store.close(), "IO");
  const again = await openTestStore(home);
  assert.is(await again.load("a"), "whole");
  await assertWhole(home, again);
});

test("a buffered save that is not on the disk when the store is closed is told there, once", async () => {
  const { files, store } = await newSeam("buffered");
  failAll(files);
  assert.is((await store.save("a", 1)).version, 0);
  await turn();
  assert.is((await failureWithHint(store.save("a", 2), "IO")).outcome, undefined);
  assert.is((await failureWithHint(store.close(), "IO")).outcome, "unknown");
});

test("readers of an operation in doubt wait until it is written again", async () => {
  const { files, store } = await newSeam("buffered");
  const syncing = failHeld(files);
  await store.save("a", "in doubt");
  await turn();
  let given: unknown;
  const reading = store.load("a").then((value) => {
    given = value;
  });
  await turn();
  assert.is(given, undefined);
  files.calls.length = 0;
  syncing.open();
  await reading;
  assert.is(given, "in doubt");
  assert.ok(files.calls.includes("sync new.tmp"));
});

test("repeating with ifVersion after an open outcome writes once, whichever it was", async () => {
  for (const kept of [true, false]) {
    const { files, home, store } = await newSeam();
    await store.save("a", 0);
    failOnce(files, (path) => {
      if (!kept) damageText(path, "the-value");
      failAll(files);
    });
    const error = await failure(store.save("a", "the-value", { ifVersion: 0 }), "IO");
    assert.is(error.outcome, "unknown");
    files.onSync = undefined;
    await store.close();
    const again = await openTestStore(home);
    const repeated = again.save("a", "the-value", { ifVersion: 0 });
    if (kept) await failure(repeated, "CONFLICT");
    else assert.is((await repeated).version, 1);
    assert.is((await again.stats()).versions, 2);
    assert.is(await again.load("a"), "the-value");
    await assertWhole(home, again);
  }
});

test.run();

import { cpSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import { LockEnvironment } from "../../engine/index/lock.ts";
import type { SharedState } from "../../engine/index/shared-state.ts";
import { LogEnd } from "../../engine/log-end.ts";
import { flipByte, segmentsOf } from "../helpers/damage.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { systemError, WatchedFiles } from "../helpers/files.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { closeAll, openSeamStore, openTestStore, track } from "../helpers/stores.ts";

/** What a step that fails has to leave for others to know. */
const test = suite("marks behind a failure");
const { fateOf } = LogEnd.prototype;
test.after.each(() => {
  LogEnd.prototype.fateOf = fateOf;
});
test.after.each(closeAll);

const COUNT = 30;

interface Damaged {
  store: ArtifactStore;
  files: WatchedFiles;
  home: string;
  backup: string;
  segments: string[];
  /** What the processes of the home tell each other. */
  state(): SharedState;
}

/** A store in several segments, open over watched files, and a copy of its log. */
async function manySegments(): Promise<Damaged> {
  const [home, backup] = [newFolder(), newFolder()];
  const files = new WatchedFiles();
  const store = await openSeamStore(home, { files, segmentBytesMax: 4000 });
  for (let i = 0; i < COUNT; i++) await store.save(`n${i}`, { i, text: "x".repeat(300) });
  cpSync(join(home, "log"), join(backup, "log"), { recursive: true });
  const lock = track(new LockEnvironment(home));
  const state = () => {
    lock.refresh();
    return lock.state()!;
  };
  return { store, files, home, backup, segments: segmentsOf(home), state };
}

async function checkAll(store: ArtifactStore): Promise<void> {
  for (let i = 0; i < COUNT; i++) assert.is((await store.load<{ i: number }>(`n${i}`)).i, i);
  assert.ok((await store.verify({ full: true })).ok);
}

test("a sync that fails in a repair is known to who saves next: what it was to make safe is written again", async () => {
  const { store, files, home, backup, segments, state } = await manySegments();
  const newest = segments.at(-1)!;
  flipByte(newest, 200);
  files.onSync = (path) => {
    if (path !== newest) return;
    files.onSync = undefined;
    throw systemError("EIO", "fdatasync");
  };
  assert.is((await failureWithHint(store.repair({ from: backup }), "IO")).outcome, "unknown");
  assert.ok(state().syncFailed);
  // A sync of the same file would succeed now, and prove nothing.
  await store.save("later", 1);
  assert.equal([state().syncFailed, state().tail.segment], [false, segments.length + 1]);
  assert.ok((await store.repair({ from: backup })).ok);
  await checkAll(store);
  await store.close();
  const again = await openTestStore(copyHome(home));
  assert.is(await again.load("later"), 1);
  await checkAll(again);
});

test("a repair that fails between two segments tells everybody that files were replaced, and the index is made anew", async () => {
  const { store, files, home, backup, segments, state } = await manySegments();
  // Somebody else, who has the files open.
  const other = await openTestStore(home, { readOnly: true });
  await checkAll(other);
  for (const segment of segments.slice(1, 3)) flipByte(segment, 200);
  const replace = files.replace.bind(files);
  let replaced = 0;
  files.replace = (from, to) => {
    if (++replaced === 2) throw systemError("EIO", "rename");
    replace(from, to);
  };
  const before = state();
  await failureWithHint(store.repair({ from: backup }), "IO");
  const { logEpoch, indexSuspect, generation } = state();
  assert.equal([logEpoch, indexSuspect, generation], [before.logEpoch + 1, true, before.generation]);
  await store.save("later", 1);
  assert.equal([state().indexSuspect, state().generation], [false, before.generation + 1]);
  files.replace = replace;
  assert.ok((await store.repair({ from: backup })).ok);
  await checkAll(store);
  await store.close();
  const copy = await openTestStore(copyHome(home));
  await checkAll(copy);
});

test("a save whose batch was lost with another process's failed sync is not acknowledged, durable or buffered", async () => {
  for (const durability of ["durable", "buffered"] as const) {
    const store = await openSeamStore(newFolder(), {}, durability);
    await store.save("a", 1);
    LogEnd.prototype.fateOf = () => "lost";
    for (const call of [store.save("a", 2), store.batch((batch) => void batch.save("b", 1))])
      assert.is((await failureWithHint(call, "IO")).outcome, "unknown", durability);
    LogEnd.prototype.fateOf = fateOf;
    await store.save("a", 3);
  }
});

test.run();

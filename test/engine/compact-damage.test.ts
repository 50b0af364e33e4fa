import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import { versionKey } from "../../engine/artifact-key.ts";
import { LockEnvironment } from "../../engine/index/lock.ts";
import { openCore } from "../../engine/open.ts";
import { damageText, flipByte, segmentsOf } from "../helpers/damage.ts";
import { failure } from "../helpers/errors.ts";
import { failOnce } from "../helpers/failing-disk.ts";
import { WatchedFiles } from "../helpers/files.ts";
import { newFolder } from "../helpers/folders.ts";
import { closeAll } from "../helpers/stores.ts";
import { Expected, logFiles, openSmall } from "./compact-support.ts";

const test = suite("compaction beside damage");
test.after.each(closeAll);

/** Each value lies in a segment with three others, every second one is deleted. */
async function halves(options: Parameters<typeof openSmall>[1] = {}) {
  const home = newFolder();
  const store = await openSmall(home, options);
  const expected = new Expected();
  for (let i = 0; i < 16; i++) await expected.save(store, `name${i}`, `value-${i} `.repeat(500));
  for (let i = 0; i < 16; i += 2) await expected.delete(store, `name${i}:0`);
  return { home, store, expected };
}

test("a segment with a damaged value stays as it is, and all others are rewritten", async () => {
  const { home, store, expected } = await halves();
  const [, damaged] = segmentsOf(home) as [string, string];
  damageText(damaged, "value-5 value-5");
  const bytes = readFileSync(damaged);
  const report = await store.compact();
  assert.equal(
    report.skipped.map(({ kind, segment }) => [kind, segment]),
    [["record", 2]],
  );
  assert.ok(report.segments > 2);
  assert.ok(readFileSync(damaged).equals(bytes));
  // What is dead in it can be brought back as before, and what is dead elsewhere is gone.
  await expected.undelete(store, "name4:0");
  await failure(store.undelete("name0:0"), "NOT_FOUND");
  await failure(store.load("name5:0"), "CORRUPTION");
  assert.is((await store.verify({ full: true })).problems.length, 1);
  await store.rebuildIndex();
  expected.live.delete("name5:0");
  for (const [ref, value] of expected.live) assert.equal(await store.load(ref), value);
  assert.is((await store.compact()).skipped.length, 1);
});

test("so does one whose header is damaged, and one with a damaged batch", async () => {
  const { home, store } = await halves();
  await store.close();
  const segments = segmentsOf(home);
  flipByte(segments[1]!, 20);
  flipByte(segments[2]!, 128 + 8);
  const again = await openSmall(home);
  const report = await again.compact();
  assert.ok(report.segments > 0);
  for (const path of segments.slice(1, 3)) assert.ok(segmentsOf(home).includes(path), path);
  assert.ok(report.skipped.every(({ segment }) => segment === 2 || segment === 3));
  assert.equal(await again.load("name1:0"), "value-1 ".repeat(500));
  assert.ok((await again.verify()).problems.length > 0);
});

/** The engine of a store that is open in this process. */
async function withCore(
  store: ArtifactStore,
  action: (core: Awaited<ReturnType<typeof openCore>>["core"]) => void | Promise<void>,
): Promise<void> {
  const { core, release } = await openCore(store.home, { application: "artifact" });
  try {
    await action(core);
  } finally {
    await release();
  }
}

test("a blob that the index calls dead, and that a version needs, is kept, and the index made anew", async () => {
  const warnings: string[] = [];
  const log = (message: string) => void warnings.push(message);
  const { store, expected, home } = await halves({
    logger: { debug: log, info: log, warn: log, error: log },
  });
  await withCore(store, (core) => {
    const digest = core.row(versionKey("name3", 0))!.references[0]!;
    const { catalog } = core;
    catalog.transact(() => catalog.blobRows.set(digest, { ...catalog.blob(digest)!, referenceCount: 0 }));
  });
  const { blobs } = await store.compact();
  assert.is(blobs, 8);
  assert.ok(
    warnings.some((message) => message.includes("counts no reference")),
    warnings.join(),
  );
  await expected.save(store, "more", "m");
  assert.is((await store.stats()).deadBlobBytes, 0);
  await expected.checkEverywhere(home, store);
});

test("a live blob that an old file has and the new one lacks is written again before that goes", async () => {
  const files = new WatchedFiles();
  const { store, expected } = await halves({ files });
  let isDone = false;
  await withCore(store, async ({ catalog }) => {
    const digest = catalog.row(versionKey("name0", 0))!.references[0]!;
    files.onPublish = (_, publish) => {
      publish();
      // As if somebody had gone back to a blob that was condemned, which nobody may.
      if (!isDone && catalog.blobRows.known(digest)?.condemned)
        catalog.transact(() => catalog.blobRows.addReferences(digest, 1));
      isDone = true;
    };
    await store.compact();
  });
  files.onPublish = undefined;
  assert.ok(isDone);
  await expected.undelete(store, "name0:0");
  await expected.check(store);
  await store.rebuildIndex();
  await expected.check(store);
});

test("when the log was repaired or the index made anew meanwhile, it begins again", async () => {
  const files = new WatchedFiles();
  const { store, expected, home } = await halves({ files });
  const lock = new LockEnvironment(home);
  let times = 0;
  let begun = 0;
  files.onOpen = (path, mode) => {
    if (mode === "create" && path.includes("new-c0c0c0c0")) begun++;
  };
  files.onSync = (path) => {
    if (!path.endsWith(".tmp") || times++ > 1) return undefined;
    return times === 1
      ? store.rebuildIndex()
      : lock.hold(() => {
          const state = lock.state()!;
          lock.setState({ ...state, logEpoch: state.logEpoch + 1 });
        });
  };
  const { blobs } = await store.compact();
  files.onSync = undefined;
  assert.is(blobs, 8);
  const rewritten = segmentsOf(home).filter((path) => /-\d{6}\.varve$/.test(path));
  assert.is(begun, rewritten.length + 2);
  await lock.close();
  await expected.checkEverywhere(home, store);
});

test("a sync that fails while the newest segment is ended is dealt with as ever", async () => {
  const files = new WatchedFiles();
  const { store, expected, home } = await halves({ files });
  await expected.save(store, "last", "l".repeat(3000));
  await expected.delete(store, "last:0");
  failOnce(files);
  await store.compact();
  assert.is((await store.stats()).deadBlobBytes, 0);
  assert.ok(logFiles(home).size > 0);
  await expected.checkEverywhere(home, store);
});

test.run();

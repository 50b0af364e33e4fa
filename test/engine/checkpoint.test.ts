import fs, {
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import { Catalog } from "../../engine/index/catalog.ts";
import { segmentsOf, sizeOf } from "../helpers/damage.ts";
import { gate, systemError, WatchedFiles } from "../helpers/files.ts";
import { newFolder } from "../helpers/folders.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { closeAll, openSeamStore } from "../helpers/stores.ts";
import { within } from "../helpers/time.ts";

const test = suite("checkpoints of the index");
const { copyTo } = Catalog.prototype;
const { rmSync: removeNow } = fs;
test.after.each(() => {
  Catalog.prototype.copyTo = copyTo;
  replaceRemove(removeNow);
});
test.after.each(killPrograms);
test.after.each(closeAll);

const generations = (home: string) => readdirSync(home).filter((name) => name.startsWith("index-"));

function markOf(home: string, generation: string): { clean?: { sequence: number } } {
  return JSON.parse(readFileSync(join(home, generation, "trust.json"), "utf8"));
}

async function saveMany(store: ArtifactStore, from: number, count: number): Promise<void> {
  // One by one: as many batches, and as many groups.
  for (let i = from; i < from + count; i++) await store.save(`n${i}`, { i, text: "x".repeat(500) });
}

/** What a power cut leaves of `home`: nothing that was said within the boot, and an index in use that nobody trusts. */
function rebootUncleanly(home: string): void {
  rmSync(join(home, "lock"), { recursive: true });
  const [newest] = generations(home).sort((a, b) => sequenceOf(home, b) - sequenceOf(home, a));
  const mark = markOf(home, newest!);
  writeFileSync(
    join(home, newest!, "trust.json"),
    JSON.stringify({ ...mark, clean: undefined, bootId: "another" }),
  );
}

const sequenceOf = (home: string, generation: string) => markOf(home, generation).clean?.sequence ?? 0;

async function checkAll(store: ArtifactStore, count: number): Promise<void> {
  for (let i = 0; i < count; i++) assert.is((await store.load<{ i: number }>(`n${i}`)).i, i);
  assert.ok((await store.verify({ full: true })).ok);
}

test("after an unclean reboot only the log behind the newest checkpoint is read", async () => {
  const home = newFolder();
  const store = await openSeamStore(home, { checkpointBatchesMin: 50, segmentBytesMax: 40_000 });
  await saveMany(store, 0, 300);
  await store.close();
  const logBytes = segmentsOf(home).reduce((all, file) => all + sizeOf(file), 0);
  rebootUncleanly(home);
  const files = new WatchedFiles();
  const after = await openSeamStore(home, { files });
  assert.ok(files.counts.readBytes < logBytes / 2, `${files.counts.readBytes} of ${logBytes}`);
  await checkAll(after, 300);
});

test("a store that was never checkpointed is read as a whole", async () => {
  const home = newFolder();
  const store = await openSeamStore(home);
  await saveMany(store, 0, 60);
  await store.close();
  rebootUncleanly(home);
  const files = new WatchedFiles();
  const after = await openSeamStore(home, { files });
  assert.ok(files.counts.readBytes >= sizeOf(segmentsOf(home)[0]!));
  await checkAll(after, 60);
});

test("a checkpoint is used once, and the next one is taken behind it", async () => {
  const home = newFolder();
  const store = await openSeamStore(home, { checkpointBatchesMin: 20 });
  await saveMany(store, 0, 100);
  await store.close();
  for (let round = 0; round < 3; round++) {
    rebootUncleanly(home);
    const again = await openSeamStore(home, { checkpointBatchesMin: 20 });
    await checkAll(again, 100 + round * 30);
    await saveMany(again, 100 + round * 30, 30);
    await again.close();
    assert.ok(generations(home).length <= 2, String(generations(home)));
    assert.ok(generations(home).every((each) => sequenceOf(home, each) > 0));
  }
});

test("a log that is shorter than a checkpoint says is not taken for what the checkpoint has", async () => {
  const home = newFolder();
  const store = await openSeamStore(home, { checkpointBatchesMin: 50 });
  await saveMany(store, 0, 100);
  await store.close();
  rebootUncleanly(home);
  const [segment] = segmentsOf(home);
  truncateSync(segment!, Math.floor(sizeOf(segment!) / 3));
  const after = await openSeamStore(home);
  assert.is(await after.load<{ i: number }>("n0").then(({ i }) => i), 0);
  assert.not(await after.has("n99"), "nothing of the log says so");
  assert.ok((await after.verify()).ok === false || !(await after.has("n49")));
});

test("a checkpoint taken while the index is made anew does not count", async () => {
  const home = newFolder();
  const held = gate();
  const reached = gate();
  Catalog.prototype.copyTo = async function (this: Catalog, folder: string) {
    await copyTo.call(this, folder);
    reached.open();
    await held.opened;
  };
  const store = await openSeamStore(home, { checkpointBatchesMin: 20 });
  await saveMany(store, 0, 30);
  await reached.opened;
  await store.rebuildIndex();
  held.open();
  await store.close();
  assert.is(generations(home).length, 1);
  rebootUncleanly(home);
  await checkAll(await openSeamStore(home), 30);
});

test("a checkpoint that fails leaves the store as it was, and a word to the logger", async () => {
  const home = newFolder();
  Catalog.prototype.copyTo = () => Promise.reject(new Error("no room"));
  const warnings: string[] = [];
  const logger = { warn: (message: string) => void warnings.push(message) };
  const store = await openSeamStore(home, { checkpointBatchesMin: 20, logger } as never);
  await saveMany(store, 0, 30);
  await store.close();
  assert.ok(warnings.some((text) => text.includes("checkpoint")));
  assert.is(generations(home).length, 1);
  await checkAll(await openSeamStore(home), 30);
});

/** What the engine removes files with. */
function replaceRemove(remove: typeof removeNow): void {
  fs.rmSync = remove;
  syncBuiltinESMExports();
}

/** What would end the process, from now on. */
function unhandled(): { errors: unknown[]; stop(): void } {
  const errors: unknown[] = [];
  const note = (error: unknown) => void errors.push(error);
  process.on("unhandledRejection", note);
  return { errors, stop: () => void process.off("unhandledRejection", note) };
}

const turns = () => new Promise((resolve) => setTimeout(resolve, 50));

for (const [what, removable] of [
  ["a copy that can't be removed", false],
  ["a logger that throws", true],
] as const) {
  test(`${what} ends neither the process nor a call`, async () => {
    const home = newFolder();
    const { errors, stop } = unhandled();
    let warned = 0;
    const logger = {
      warn() {
        warned++;
        if (removable) throw new Error("the logger's own");
      },
    };
    Catalog.prototype.copyTo = () => Promise.reject(systemError("EROFS", "open"));
    try {
      const store = await openSeamStore(home, { checkpointBatchesMin: 20, logger } as never);
      if (!removable) {
        replaceRemove(() => {
          throw systemError("EROFS", "rm");
        });
      }
      await saveMany(store, 0, 30);
      await turns();
      await saveMany(store, 30, 5);
      replaceRemove(removeNow);
      await store.close();
      await turns();
    } finally {
      stop();
    }
    assert.equal(errors, []);
    assert.ok(warned >= (removable ? 1 : 2), `${warned} warnings`);
    Catalog.prototype.copyTo = copyTo;
    await checkAll(await openSeamStore(home), 35);
  });
}

test("closing waits no longer than lockWaitMax for a checkpoint whose lock another process has", async () => {
  const home = newFolder();
  const [copied, reached] = [gate(), gate()];
  Catalog.prototype.copyTo = async function (this: Catalog, folder: string) {
    reached.open();
    await copied.opened;
    await copyTo.call(this, folder);
  };
  const store = await openSeamStore(home, { checkpointBatchesMin: 20, lockWaitMax: 300 });
  await saveMany(store, 0, 30);
  await reached.opened;
  const holder = new Program("../processes/lock-holder.ts", [home]);
  await holder.expect();
  copied.open();
  await within(20_000, "closing", () => store.close());
  holder.tell("go");
  await holder.end();
  Catalog.prototype.copyTo = copyTo;
  await checkAll(await openSeamStore(home), 30);
});

test("half a checkpoint is no index", async () => {
  const home = newFolder();
  const store = await openSeamStore(home, { checkpointBatchesMin: 20 });
  await saveMany(store, 0, 60);
  await store.close();
  rebootUncleanly(home);
  const checkpoint = generations(home).find((each) => sequenceOf(home, each) > 0)!;
  rmSync(join(home, checkpoint, "trust.json"));
  truncateSync(join(home, checkpoint, "data.mdb"), 5000);
  await checkAll(await openSeamStore(home), 60);
  assert.not(existsSync(join(home, checkpoint)));
});

test("a copied checkpoint is not trusted", async () => {
  const home = newFolder();
  const store = await openSeamStore(home, { checkpointBatchesMin: 20 });
  await saveMany(store, 0, 60);
  await store.close();
  rebootUncleanly(home);
  const checkpoint = generations(home).find((each) => sequenceOf(home, each) > 0)!;
  // As a backup tool puts it back: the same bytes in another file.
  const path = join(home, checkpoint, "data.mdb");
  const bytes = readFileSync(path);
  rmSync(path);
  writeFileSync(path, bytes);
  const files = new WatchedFiles();
  const after = await openSeamStore(home, { files });
  assert.ok(files.counts.readBytes >= sizeOf(segmentsOf(home)[0]!));
  await checkAll(after, 60);
});

test("under a reader that holds a state for long the index does not grow without end", async () => {
  const home = newFolder();
  const store = await openSeamStore(home, {}, "buffered");
  await saveMany(store, 0, 10);
  const listing = store.list()[Symbol.asyncIterator]();
  await listing.next();
  let largest = 0;
  for (let i = 10; i < 9000; i++) {
    await store.save(`n${i % 50}`, i);
    if (i % 500 === 0) {
      const [newest] = generations(home).sort((a, b) => Number(b.slice(6)) - Number(a.slice(6)));
      largest = Math.max(largest, statSync(join(home, newest!, "data.mdb")).size);
    }
  }
  assert.ok(largest < 150 * 1024 * 1024, `${largest} bytes`);
  assert.ok(Math.max(...generations(home).map((each) => Number(each.slice(6)))) > 1, "it was made smaller");
  await listing.return?.();
  assert.ok((await store.verify({ full: true })).ok);
});

test.run();

import { existsSync, unlinkSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import { VarveError } from "../../engine/errors.ts";
import type { CompactorLease } from "../../engine/index/lease.ts";
import { failure } from "../helpers/errors.ts";
import { systemError } from "../helpers/files.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { lockOf } from "../helpers/lock-homes.ts";
import { Random } from "../helpers/random.ts";
import { steppingFiles } from "../helpers/stepping-files.ts";
import { closeAll, closeStores } from "../helpers/stores.ts";
import { Expected, fill, logFiles, MomentFiles, openSmall } from "./compact-support.ts";

const test = suite("compaction beside faults and others");
test.after.each(closeAll);

/** Of the moments of a compaction so many are tried, or all. */
const TRIALS = Number(process.env.VARVE_TEST_COMPACT_MOMENTS ?? 8);

/** A store with something to compact in several segments, of which copies are made. */
async function material(seed: string): Promise<{ home: string; expected: Expected; random: Random }> {
  const home = newFolder();
  const expected = new Expected();
  const random = new Random(seed);
  const store = await openSmall(home);
  await fill(store, expected, random, 40);
  await store.close();
  return { home, expected, random };
}

function copyOf(expected: Expected): Expected {
  const copy = new Expected();
  for (const [ref, value] of expected.live) copy.live.set(ref, value);
  for (const [ref, value] of expected.deleted) copy.deleted.set(ref, value);
  return copy;
}

async function momentsOf(home: string): Promise<string[]> {
  const files = new MomentFiles();
  const store = await openSmall(copyHome(home), { files });
  const calls: string[] = [];
  files.onMoment = (_, call) => calls.push(call);
  await store.compact();
  files.onMoment = undefined;
  return calls;
}

/** Some numbers from 1 to `count`, or all. */
function some(random: Random, count: number): number[] {
  const all = Array.from({ length: count }, (_, i) => i + 1);
  if (TRIALS >= count) return all;
  return Array.from({ length: TRIALS }, () => all[random.below(count)]!);
}

async function tried(call: Promise<unknown>): Promise<VarveError | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    if (error instanceof VarveError) return error;
    throw error;
  }
}

/** The next compaction finds the store in order, and ends it. */
async function checkGoesOn(
  home: string,
  store: ArtifactStore,
  expected: Expected,
  what: string,
): Promise<void> {
  try {
    await expected.check(store);
    await store.compact();
    assert.is((await store.stats()).deadBlobBytes, 0);
    assert.is((await store.compact()).segments, 0);
    await expected.checkEverywhere(home, store);
    assert.equal(
      [...logFiles(home).keys()].filter((name) => name.startsWith("new-")),
      [],
    );
    await expected.save(store, "afterwards", what);
  } catch (error) {
    (error as Error).message = `${what}: ${(error as Error).message}`;
    throw error;
  }
}

test("whichever call of the disk fails once, nothing is lost, and the next compaction ends it", async () => {
  const { home, expected, random } = await material("failing calls");
  const calls = await momentsOf(home);
  for (const n of some(random, calls.length)) {
    const copy = copyHome(home);
    const files = new MomentFiles();
    const store = await openSmall(copy, { files });
    const code = random.next() < 0.3 ? "ENOSPC" : "EIO";
    const first = files.count;
    files.onMoment = (at, call) => {
      if (at - first === n && call.startsWith("before")) throw systemError(code, call);
    };
    const error = await tried(store.compact());
    files.onMoment = undefined;
    if (error)
      assert.ok(["IO", "NO_SPACE", "CORRUPTION"].includes(error.code), `${error.code} ${error.message}`);
    await checkGoesOn(copy, store, copyOf(expected), `${calls[n - 1]} (${n} of ${calls.length}, ${code})`);
    await closeStores();
  }
});

type Action = (store: ArtifactStore, expected: Expected) => Promise<void>;

/** What others may do in the middle of it. */
const ACTIONS: Record<string, Action> = {
  async "save what was deleted"(store, expected) {
    const value = [...expected.deleted.values()][0];
    await expected.save(store, "again", value);
  },
  async "save something new"(store, expected) {
    await expected.save(store, "new", "n".repeat(5000));
  },
  async "bring something back"(store, expected) {
    for (const ref of [...expected.deleted.keys()].slice(0, 6)) {
      const error = await tried(expected.undelete(store, ref));
      if (error) assert.is(error.code, "NOT_FOUND");
    }
  },
  async "delete something"(store, expected) {
    for (const ref of [...expected.live.keys()].slice(0, 3)) await expected.delete(store, ref);
  },
  async "annotate something"(store, expected) {
    for (const ref of [...expected.live.keys()].slice(0, 5)) await store.annotate(ref, { tags: { a: "b" } });
  },
  async "make the index anew"(store) {
    await store.rebuildIndex();
  },
  async "load everything"(store, expected) {
    for (const [ref, value] of expected.live) assert.equal(await store.load(ref), value);
  },
  async "list everything"(store, expected) {
    let count = 0;
    const { size } = expected.live;
    for await (const artifact of store.list({ allVersions: true })) {
      assert.equal(await artifact.value(), expected.live.get(artifact.ref));
      count++;
    }
    assert.is(count, size);
  },
};

test("whatever others do in the middle of it, at whatever moment, is right", async () => {
  const { home, expected: before, random } = await material("others");
  const calls = await momentsOf(home);
  const names = Object.keys(ACTIONS);
  for (const [i, n] of some(random, calls.length).entries()) {
    const name = names[i % names.length]!;
    const copy = copyHome(home);
    const files = new MomentFiles();
    const store = await openSmall(copy, { files });
    const expected = copyOf(before);
    const first = files.count;
    let acting: Promise<void> | undefined;
    files.onMoment = (at) => {
      if (at - first !== n) return;
      // Not in the middle of what this call of the disk is a part of.
      acting = new Promise<void>((resolve) => setImmediate(resolve)).then(() =>
        ACTIONS[name]!(store, expected),
      );
      acting.catch(() => {});
    };
    const error = await tried(store.compact());
    files.onMoment = undefined;
    if (error) assert.unreachable(`${name} at ${calls[n - 1]}: ${error.stack}`);
    await acting;
    await checkGoesOn(copy, store, expected, `${name} at ${calls[n - 1]} (${n} of ${calls.length})`);
    await closeStores();
  }
});

test("two at once: the second is told who compacts", async () => {
  const { home, expected } = await material("two");
  const store = await openSmall(home);
  const first = store.compact();
  const error = await failure(store.compact(), "CONFLICT");
  assert.match(error.message, /this process is compacting/);
  await first;
  await checkGoesOn(home, store, expected, "two");
});

test("who was silent for so long that another one took over is told that, and not of the files that the other removed", async () => {
  const { home, expected } = await material("silent");
  const other = lockOf(home, { silenceMax: 0 });
  let lease: CompactorLease | undefined;
  const before = (_: string, path: string) => {
    if (lease || !path.includes("new-c0c0c0c0") || !existsSync(path)) return;
    lease = other.holdSync(() => other.takeCompactor());
    unlinkSync(path);
  };
  // The file that was written is opened to be read back.
  const files = steppingFiles(["open"], { before });
  const store = await openSmall(home, { files });
  const error = await failure(store.compact(), "CONFLICT");
  assert.match(error.message, /another one compacts now/);
  other.holdSync(() => lease!.release());
  await checkGoesOn(home, store, expected, "silent");
});

test.run();

import { mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { inspectHead, inspectTree, UNKNOWN_FORMAT } from "../../engine/index/inspect.ts";
import { Environment } from "../../engine/index/lmdb.ts";
import { pageKinds } from "../crash/damage-index-kinds.ts";
import { newFolder, removeFolders } from "../helpers/folders.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { Random } from "../helpers/random.ts";
import {
  history,
  isWhole,
  NEVER_MILLISECONDS,
  openEnvironment,
  PAGE,
  ROUNDS,
  sealed,
} from "./inspect-history.ts";

const test = suite("inspect");
test.after.each(async () => {
  await killPrograms();
  removeFolders();
});

test("lets every state of random histories pass, and compact copies of them", async () => {
  const random = new Random("inspect: histories");
  for (let n = 0; n < 12 * ROUNDS; n++) {
    const folder = newFolder();
    const environment = openEnvironment(folder);
    const path = join(folder, "data.mdb");
    for (const i of history(environment, random, 25)) isWhole(path, `history ${n}, transaction ${i}`);
    const copy = newFolder();
    await environment.copyTo(copy);
    await environment.close();
    isWhole(join(copy, "data.mdb"), `the copy of history ${n}`);
    const copied = openEnvironment(copy);
    for (const i of history(copied, random, 3))
      isWhole(join(copy, "data.mdb"), `copy ${n}, transaction ${i}`);
    await copied.close();
    removeFolders();
  }
});

test("lets new, emptied and one-row files pass", async () => {
  const folder = newFolder();
  const environment = new Environment(folder);
  const path = join(folder, "data.mdb");
  isWhole(path, "new");
  const key = Buffer.from([1, 2]);
  environment.transactSync(() => environment.put(key, sealed(key, Buffer.alloc(9))));
  isWhole(path, "one row");
  environment.transactSync(() => environment.remove(key));
  isWhole(path, "no row again");
  const copy = newFolder();
  await environment.copyTo(copy);
  isWhole(join(copy, "data.mdb"), "an empty copy");
  await environment.close();
});

test("lets a file pass that ends before its free pages do", async () => {
  const folder = newFolder();
  const environment = openEnvironment(folder);
  const path = join(folder, "data.mdb");
  const key = Buffer.from([1]);
  const rows = Array.from({ length: 60 }, (_, i) => Buffer.from([2, i]));
  environment.transactSync(() => environment.put(key, sealed(key, Buffer.alloc(9000))));
  environment.transactSync(() => {
    for (const row of rows) environment.put(row, sealed(row, Buffer.alloc(1500)));
    for (const row of rows) environment.remove(row);
  });
  const { fileBytes } = environment.size();
  assert.ok(statSync(path).size < fileBytes, "LMDB wrote the free pages; this test needs another history");
  isWhole(path, "short");
  await environment.close();
  const bytes = readFileSync(path);
  truncateSync(path, bytes.length - PAGE);
  if (pageKinds(bytes).at(-1) !== "unused") assert.type(inspectHead(path), "string");
});

test("lets pass what a writer leaves that is stopped or killed", async () => {
  const random = new Random("inspect: kills");
  for (let n = 0; n < 2 * ROUNDS; n++) {
    const folder = newFolder();
    const path = join(folder, "data.mdb");
    for (let kill = 0; kill < 2; kill++) {
      const writer = new Program("../index/inspect-writer.ts", [folder, String(random.below(2 ** 31))]);
      await writer.expect();
      for (let stop = 0; stop < 12; stop++) {
        await sleep(random.below(15));
        for (let i = 0; i < 5; i++) assert.is(inspectHead(path), undefined, "while another process writes");
        writer.process.kill("SIGSTOP");
        await stopped(writer.process.pid!);
        isWhole(path, "stopped");
        writer.process.kill("SIGCONT");
      }
      await writer.kill();
      isWhole(path, "killed");
    }
    removeFolders();
  }
});

async function stopped(pid: number): Promise<void> {
  const state = () => readFileSync(`/proc/${pid}/stat`, "latin1").replace(/.*\) /, "")[0];
  for (const end = Date.now() + NEVER_MILLISECONDS; state() !== "T" && Date.now() < end; ) await sleep(1);
}

test("tells a file of another format from a damaged one", async () => {
  const folder = newFolder();
  await openEnvironment(folder).close();
  const path = join(folder, "data.mdb");
  const original = readFileSync(path);
  const problem = (change: (bytes: Buffer) => void) => {
    const bytes = Buffer.from(original);
    change(bytes);
    writeFileSync(path, bytes);
    assert.is(inspectTree(path), inspectHead(path));
    return inspectHead(path) ?? "";
  };
  const isUnknown = (text: string) => text.startsWith(UNKNOWN_FORMAT);
  const next = (bytes: Buffer, page: number) => bytes.writeUInt32LE(3, page * PAGE + 28);
  assert.ok(isUnknown(problem((bytes) => [0, 1].forEach((page) => void next(bytes, page)))));
  assert.match(
    problem((bytes) => void next(bytes, 0)),
    /^meta page 0/,
  );
  assert.match(
    problem((bytes) => void next(bytes, 1)),
    /^meta page 1/,
  );
  const older = (bytes: Buffer) =>
    [0, PAGE].forEach((at) => void bytes.copyWithin(at + 16, at + 24, at + PAGE));
  assert.ok(isUnknown(problem(older)));
  assert.ok(
    isUnknown(problem((bytes) => [24, PAGE + 24].forEach((at) => void bytes.subarray(at, at + 4).reverse()))),
  );
});

test("says of files that are none that they can't be read", () => {
  const folder = newFolder();
  assert.match(inspectHead(join(folder, "data.mdb"))!, "ENOENT");
  mkdirSync(join(folder, "folder"));
  assert.match(inspectTree(join(folder, "folder"))!, "EISDIR");
  for (const size of [0, 100, PAGE, 3 * PAGE]) {
    writeFileSync(join(folder, "zeros"), Buffer.alloc(size));
    assert.type(inspectHead(join(folder, "zeros")), "string");
    assert.type(inspectTree(join(folder, "zeros")), "string");
  }
});

test.run();

import type { FileHandle } from "node:fs/promises";
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { VarveErrorCode } from "../../engine/main.ts";
import {
  inPieces,
  isNotThere,
  isThere,
  listed,
  MIB,
  putSamples,
  sample,
} from "../conformance/blob-places.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { systemError } from "../helpers/files.ts";
import { newFolder, openFilesUnder } from "../helpers/folders.ts";
import { closeAll, track } from "../helpers/stores.ts";
import "../helpers/whole-suites.ts";

/** A disk that fails under a folder of blobs. */
const test = suite("failures of a folder of blobs");

const real = { open: fs.open, rename: fs.rename, readdir: fs.readdir, stat: fs.stat, utimes: fs.utimes };

test.after.each(async () => {
  heal();
  await closeAll();
});

function heal(): void {
  Object.assign(fs, real);
  syncBuiltinESMExports();
}

type Method = "write" | "datasync" | "sync" | "read" | "stat" | "utimes";

/** These calls of open files, and those of paths, fail with a code from now on. */
function breakCalls(
  code: string,
  methods: Method[],
  ofPaths: Exclude<keyof typeof real, "open">[] = [],
): void {
  const fail = async (): Promise<never> => {
    throw systemError(code, "call");
  };
  fs.open = (async (path: string, ...rest: [string]) => {
    const file: FileHandle = await real.open(path, ...rest);
    for (const method of methods) file[method] = fail;
    return file;
  }) as typeof fs.open;
  for (const name of ofPaths) fs[name] = fail;
  syncBuiltinESMExports();
}

async function newStore() {
  heal();
  const { openFolderBlobs } = await import("../../adapters/storage/folder/open.ts");
  const folder = newFolder();
  return { folder, store: track(await openFolderBlobs(folder)) };
}

const writing: [string, VarveErrorCode, Method[], Exclude<keyof typeof real, "open">[]][] = [
  ["ENOSPC", "NO_SPACE", ["write"], []],
  ["EDQUOT", "NO_SPACE", ["datasync"], []],
  ["EIO", "IO", ["datasync"], []],
  ["EACCES", "IO", [], ["rename"]],
  ["EROFS", "IO", [], ["rename"]],
];

test("a put that the disk refuses is told by its code, leaves nothing, and can be repeated", async () => {
  const { folder, store } = await newStore();
  for (const [code, expected, methods, ofPaths] of writing) {
    for (const size of [1000, 3 * MIB]) {
      const one = sample(size);
      breakCalls(code, methods, ofPaths);
      await failureWithHint(store.put(one.bytes, one.digest), expected);
      await failureWithHint(store.putPieces(inPieces(one.bytes, MIB)), expected);
      heal();
      assert.equal(await fs.readdir(join(folder, "tmp")), []);
      await isNotThere(store, one);
      await store.put(one.bytes, one.digest);
      await isThere(store, one);
    }
  }
  assert.equal(openFilesUnder(folder), []);
});

test("a put whose name may not be on the disk fails", async () => {
  const { store } = await newStore();
  const one = sample(1000);
  breakCalls("EIO", ["sync"]);
  await failureWithHint(store.put(one.bytes, one.digest), "IO");
  // It is there by now, and still not known to be on the disk.
  await failureWithHint(store.put(one.bytes, one.digest), "IO");
  heal();
  await store.put(one.bytes, one.digest);
  await isThere(store, one);
});

test("on a file system that can't sync folders the rest is as it was", async () => {
  const { store } = await newStore();
  const one = sample(1000);
  breakCalls("EINVAL", ["sync"]);
  await store.put(one.bytes, one.digest);
  await isThere(store, one);
});

test("a file of another user is replaced by one whose time can be set", async () => {
  const { store } = await newStore();
  const [one] = await putSamples(store, [1000]);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const before = await store.now();
  await new Promise((resolve) => setTimeout(resolve, 50));
  breakCalls("EPERM", [], ["utimes"]);
  await store.put(one!.bytes, one!.digest);
  heal();
  assert.ok((await listed(store))[0]!.putAt >= before);
  await isThere(store, one!);
});

test("a blob that can't be read is an IO, not one that is missing or damaged", async () => {
  const { folder, store } = await newStore();
  const [one] = await putSamples(store, [1000]);
  breakCalls("EIO", ["read"]);
  await failureWithHint(store.get(one!.digest, one!.size), "IO");
  await failureWithHint(async () => {
    for await (const _ of store.pieces(one!.digest, one!.size));
  }, "IO");
  breakCalls("EACCES", ["stat"], ["stat"]);
  await failureWithHint(store.get(one!.digest, one!.size), "IO");
  await failureWithHint(store.sizeOf(one!.digest), "IO");
  await failureWithHint(store.remove([one!.digest], Date.now() + 1e9), "IO");
  heal();
  breakCalls("EACCES", [], ["readdir"]);
  await failureWithHint(listed(store), "IO");
  await failureWithHint(store.collect(0), "IO");
  heal();
  await isThere(store, one!);
  assert.equal(openFilesUnder(folder), []);
});

test.run();

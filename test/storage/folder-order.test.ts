import { randomBytes } from "node:crypto";
import type { BigIntStats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { basename, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { sampleOf } from "../conformance/blob-places.ts";
import { gate } from "../helpers/files.ts";
import { newFolder } from "../helpers/folders.ts";
import { closeAll, track } from "../helpers/stores.ts";
import { until } from "../helpers/time.ts";
import "../helpers/whole-suites.ts";

/** In which order a folder of blobs goes to the disk: what a power cut leaves follows from it. */
const test = suite("the order of writes to a folder of blobs");

const real = { open: fs.open, rename: fs.rename };
let calls: string[] = [];
/** Before a sync of a shard returns, once it is done. */
let onShard: (() => Promise<void>) | undefined;
/** What the file system says of a shard, if not the truth. */
let identity: Pick<BigIntStats, "dev" | "ino" | "birthtimeNs"> | undefined;

/** Each is noted when it has returned. */
function watch(): void {
  calls = [];
  fs.open = (async (path: string, ...rest: [string]) => {
    const file = await real.open(path, ...rest);
    for (const name of ["sync", "datasync"] as const) {
      const sync = file[name].bind(file);
      file[name] = async () => {
        await sync();
        if (kindOf(path) === "shard") await onShard?.();
        calls.push(`sync ${kindOf(path)}`);
      };
    }
    if (identity && kindOf(path) === "shard")
      file.stat = (async () => identity) as unknown as FileHandle["stat"];
    return file as FileHandle;
  }) as typeof fs.open;
  fs.rename = (async (from: string, to: string) => {
    await real.rename(from, to);
    calls.push(`rename ${kindOf(from)} ${kindOf(to)}`);
  }) as typeof fs.rename;
  syncBuiltinESMExports();
}

function kindOf(path: string): string {
  const name = basename(path);
  if (/^put-/.test(name)) return "temporary";
  if (/^[0-9a-f]{64}$/.test(name)) return "blob";
  return /^[0-9a-f]{2}$/.test(name) ? "shard" : name;
}

test.after.each(async () => {
  onShard = undefined;
  identity = undefined;
  Object.assign(fs, real);
  syncBuiltinESMExports();
  await closeAll();
});

async function open(durable: boolean) {
  watch();
  const { openFolderBlobs } = await import("../../adapters/storage/folder/open.ts");
  const folder = newFolder();
  const store = track(await openFolderBlobs(join(folder, "new"), { durable }));
  return { folder, store };
}

const inShard = (count: number) => {
  const found = [];
  while (found.length < count) {
    const one = sampleOf(randomBytes(100));
    if (one.digest[0] === 7) found.push(one);
  }
  return found;
};

test("a file is on the disk before it has its name, and the name before it is told", async () => {
  const { folder, store } = await open(true);
  assert.equal([...calls].sort(), ["sync blobs", "sync new", "sync new", `sync ${basename(folder)}`]);
  const [one, other] = inShard(2);
  for (const put of [() => store.put(one!.bytes, one!.digest), () => store.putPieces(once(other!.bytes))]) {
    calls = [];
    await put();
    const first = calls.slice(0, 3);
    assert.equal(first, ["sync temporary", "rename temporary blob", "sync shard"]);
  }
});

test("the folder of a new shard is on the disk too, once", async () => {
  const { store } = await open(true);
  const [one, other] = inShard(2);
  calls = [];
  await store.put(one!.bytes, one!.digest);
  assert.equal(calls.slice(2), ["sync shard", "sync sha256"]);
  calls = [];
  await store.put(other!.bytes, other!.digest);
  assert.equal(calls.slice(2), ["sync shard"]);
});

test("a shard that was removed and made again is not taken for the one whose name is on the disk", async () => {
  // The number is given again, and the file system does not tell since when a folder is there.
  identity = { dev: 1n, ino: 1n, birthtimeNs: 0n };
  const { store } = await open(true);
  const [one, other] = inShard(2);
  await store.put(one!.bytes, one!.digest);
  await store.remove([one!.digest], (await store.now()) + 1000);
  await store.collect(0);
  calls = [];
  await store.put(other!.bytes, other!.digest);
  assert.equal(calls.slice(-2), ["sync shard", "sync sha256"]);
});

test("nor is one that somebody else has made since", async () => {
  identity = { dev: 1n, ino: 1n, birthtimeNs: 1n };
  const { store } = await open(true);
  const [one, other] = inShard(2);
  await store.put(one!.bytes, one!.digest);
  identity = { dev: 1n, ino: 1n, birthtimeNs: 2n };
  calls = [];
  await store.put(other!.bytes, other!.digest);
  assert.equal(calls.slice(-2), ["sync shard", "sync sha256"]);
});

test("a put of what is there already syncs the name: who put it may not have done so yet", async () => {
  const { store } = await open(true);
  const [one] = inShard(1);
  await store.put(one!.bytes, one!.digest);
  calls = [];
  await store.put(one!.bytes, one!.digest);
  assert.equal(calls, ["sync shard"]);
});

test("many at once share the syncs of their folder", async () => {
  const { store } = await open(true);
  const many = inShard(40);
  calls = [];
  await Promise.all(many.map(({ bytes, digest }) => store.put(bytes, digest)));
  const syncs = calls.filter((call) => call === "sync shard").length;
  assert.ok(syncs >= 1 && syncs < many.length, `${syncs} syncs`);
  assert.ok(calls.lastIndexOf("sync shard") > calls.lastIndexOf("rename temporary blob"));
});

test("a sync that was under way before a name was there is not that name's", async () => {
  const { store } = await open(true);
  const [first, second] = inShard(2);
  const [reached, goOn] = [gate(), gate()];
  onShard = async () => {
    reached.open();
    await goOn.opened;
  };
  const putting = store.put(first!.bytes, first!.digest);
  await reached.opened;
  calls = [];
  const later = store.put(second!.bytes, second!.digest).then(() => [...calls]);
  await until("the second one has its name", () => calls.includes("rename temporary blob"));
  goOn.open();
  await putting;
  assert.is((await later).filter((call) => call === "sync shard").length, 2);
});

test("where nothing need be durable nothing is synced", async () => {
  const { store } = await open(false);
  const [one] = inShard(1);
  await store.put(one!.bytes, one!.digest);
  assert.equal(calls, ["rename temporary blob"]);
});

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

test.run();

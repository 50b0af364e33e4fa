import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { captureTree } from "../../engine/directory/capture.ts";
import { EarlierTree } from "../../engine/directory/changes.ts";
import type { FileContent } from "../../engine/directory/entry.ts";
import { IgnoreRules } from "../../engine/directory/ignore.ts";
import type { ManifestNode } from "../../engine/directory/node.ts";
import { LARGE_BYTES_MIN, openLarge, readSmall } from "../../engine/directory/read-file.ts";
import type { FoundFile } from "../../engine/directory/scan.ts";
import { scanTree } from "../../engine/directory/scan.ts";
import { VarveError } from "../../engine/errors.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { removeFolders } from "../helpers/folders.ts";
import "../helpers/whole-suites.ts";
import type { Captured } from "./support.ts";
import { capture, entriesOf, MemoryStore, makeTree, newFolder } from "./support.ts";

const test = suite("directories: files that changed, and files that change");
test.after.each(removeFolders);

/** Longer than a tick of the file system's clock, and than what is taken for one. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 250));

async function savedTree(): Promise<{ root: string; first: Captured }> {
  const root = newFolder();
  makeTree(root, {
    "a.txt": "aaaa",
    "b.txt": "bbbb",
    "c/d.txt": "dddd",
    "e.bin": Buffer.alloc(LARGE_BYTES_MIN),
  });
  await settle();
  return { root, first: await capture(root) };
}

async function contentOf({ directory }: Captured, path: string): Promise<string> {
  return Buffer.from(await directory.read(path)).toString();
}

test("a file that did not change is not read again", async () => {
  const { root, first } = await savedTree();
  assert.is(first.filesRead, 4);
  const again = await capture(root, { before: first });
  assert.is(again.filesRead, 0);
  assert.is(again.bytesRead, 0);
  assert.equal([again.root, again.stamps], [first.root, first.stamps]);
  const third = await capture(root, { before: again });
  assert.is(third.filesRead, 0);
});

test("a file whose size changed is read, and new ones; what is gone is gone", async () => {
  const { root, first } = await savedTree();
  appendFileSync(join(root, "a.txt"), "+");
  rmSync(join(root, "b.txt"));
  makeTree(root, { "0": "new", "c/x": "new", z: "new" });
  const second = await capture(root, { before: first });
  assert.is(second.filesRead, 4);
  assert.equal(await entriesOf(second.directory), ["0", "a.txt", "c/d.txt", "c/x", "e.bin", "z"]);
  assert.is(await contentOf(second, "a.txt"), "aaaa+");
  assert.equal(second.root, (await capture(root)).root);
});

test("a file of the same size is read when its time changed, its inode, or only the time of that", async () => {
  const { root, first } = await savedTree();
  const path = join(root, "a.txt");
  const before = join(newFolder(), "before");
  execFileSync("touch", ["-r", path, before]);
  writeFileSync(path, "AAAA");
  // As who wants to hide it would do: the time of the inode still tells.
  execFileSync("touch", ["-r", before, path]);
  assert.is(statSync(path, { bigint: true }).mtimeNs, statSync(before, { bigint: true }).mtimeNs);
  writeFileSync(join(root, "new"), "BBBB");
  execFileSync("touch", ["-r", join(root, "b.txt"), join(root, "new")]);
  renameSync(join(root, "new"), join(root, "b.txt"));
  const second = await capture(root, { before: first });
  assert.is(second.filesRead, 2);
  assert.equal([await contentOf(second, "a.txt"), await contentOf(second, "b.txt")], ["AAAA", "BBBB"]);
});

test("with checkContents every file is read", async () => {
  const { root, first } = await savedTree();
  const second = await capture(root, { before: first, checkContents: true });
  assert.is(second.filesRead, 4);
  assert.equal(second.root, first.root);
});

test("only the executable bit changed, or a file became a link or folder", async () => {
  const { root, first } = await savedTree();
  chmodSync(join(root, "a.txt"), 0o755);
  rmSync(join(root, "b.txt"));
  symlinkSync("a.txt", join(root, "b.txt"));
  rmSync(join(root, "e.bin"));
  mkdirSync(join(root, "e.bin"));
  const second = await capture(root, { before: first });
  const kinds = [];
  for await (const { path, kind, executable } of second.directory.list())
    kinds.push([path, kind, executable]);
  assert.equal(kinds, [
    ["a.txt", "file", true],
    ["b.txt", "link", false],
    ["c/d.txt", "file", false],
    ["e.bin", "directory", false],
  ]);
});

test("a file that changed just before the save is read again by the next", async () => {
  const { root, first } = await savedTree();
  writeFileSync(join(root, "a.txt"), "AAAA");
  const second = await capture(root, { before: first });
  assert.is(second.filesRead, 1);
  await settle();
  const third = await capture(root, { before: second });
  assert.is(third.filesRead, 1);
  assert.is((await capture(root, { before: third })).filesRead, 0);
  assert.equal(third.root, second.root);
});

test("an earlier tree that is damaged or gone is read anew, not believed", async () => {
  const { root, first } = await savedTree();
  const { store } = first;
  for (const code of ["CORRUPTION", "NOT_FOUND"] as const) {
    for (const piece of [first.root, first.stamps]) {
      const gone = store.load(piece).references[0]!;
      const load = (digest: Uint8Array) => {
        if (Buffer.compare(digest, gone) === 0) throw new VarveError(code, "gone");
        return store.load(digest);
      };
      const earlier = new EarlierTree(load(first.root), load(first.stamps), load);
      const again = await captureTree(root, store, { ignore: new IgnoreRules(), earlier });
      assert.is(again.filesRead, 4);
      assert.equal(again.root, first.root);
    }
  }
  // A node that is there, and is not what it should be.
  for (const piece of [first.root, first.stamps]) {
    const broken = store.load(piece).references[0]!;
    for (const cut of [1, 3, 20]) {
      const load = (digest: Uint8Array) => {
        const { references, content } = store.load(digest);
        const isBroken = Buffer.compare(digest, broken) === 0;
        return { references, content: isBroken ? content.subarray(0, -cut) : content };
      };
      const earlier = new EarlierTree(load(first.root), load(first.stamps), load);
      const again = await captureTree(root, store, { ignore: new IgnoreRules(), earlier });
      assert.is(again.filesRead, 4, `${cut} bytes less`);
      assert.equal(again.root, first.root);
    }
  }
  const io = () => {
    throw new VarveError("IO", "the disk is out of reach");
  };
  const earlier = new EarlierTree(store.load(first.root), store.load(first.stamps), io);
  await failure(captureTree(root, store, { ignore: new IgnoreRules(), earlier }), "IO");
  assert.throws(
    () => new EarlierTree(store.load(first.root), store.load(first.root), store.load),
    /kind 2, not 4/,
  );
});

test("contents that are no longer kept are read again", async () => {
  const { root, first } = await savedTree();
  const { store } = first;
  const gone = store.putFile(Buffer.from("bbbb"));
  const sink = {
    putFile: (bytes: Uint8Array) => store.putFile(bytes),
    putLarge: (pieces: AsyncIterable<Uint8Array>) => store.putLarge(pieces),
    putNode: (node: ManifestNode) => store.putNode(node),
    isKept: ({ digest }: FileContent) => Buffer.compare(digest, gone) !== 0,
  };
  const again = await captureTree(root, sink, { ignore: new IgnoreRules(), earlier: store.earlier(first) });
  assert.is(again.filesRead, 1);
  assert.equal(again.root, first.root);
});

async function scanned(root: string): Promise<FoundFile[]> {
  const found = [];
  for await (const batch of scanTree(root, new IgnoreRules())) found.push(...batch);
  return found as FoundFile[];
}

test("a small file that changed after it was found is kept as it is now", async () => {
  const root = newFolder();
  makeTree(root, { f: "old" });
  const [found] = await scanned(root);
  writeFileSync(join(root, "f"), "newer");
  chmodSync(join(root, "f"), 0o755);
  const { file, bytes } = readSmall(join(root, "f"), found!);
  assert.is(bytes.toString(), "newer");
  assert.is(file.size, 5);
  assert.ok(file.executable);
  assert.not.equal(file.stamp, found!.stamp);
});

test("what took the place of a file that was found is neither followed nor waited for", async () => {
  const root = newFolder();
  makeTree(root, { f: "old", other: "other" });
  const [found] = await scanned(root);
  const path = join(root, "f");
  for (const replace of [
    () => {},
    () => symlinkSync("other", path),
    () => mkdirSync(path),
    () => execFileSync("mkfifo", [path]),
  ]) {
    rmSync(path, { force: true, recursive: true });
    replace();
    for (const read of [readSmall, openLarge])
      assert.match((await failureWithHint(() => read(path, found!), "CONFLICT")).message, '"f"');
  }
});

test("a large file that changes while it is read fails the save", async () => {
  const changes: Record<string, (path: string) => void> = {
    grows: (path) => appendFileSync(path, "more"),
    shrinks: (path) => truncateSync(path, LARGE_BYTES_MIN + 5),
    "is written to": (path) => writeFileSync(path, Buffer.alloc(3 * LARGE_BYTES_MIN, 1)),
  };
  for (const [name, change] of Object.entries(changes)) {
    const root = newFolder();
    makeTree(root, { f: Buffer.alloc(3 * LARGE_BYTES_MIN) });
    const store = new MemoryStore();
    store.putLarge = async (pieces) => {
      for await (const _ of pieces) change(join(root, "f"));
      return { digest: Buffer.alloc(32) };
    };
    const save = captureTree(root, store, { ignore: new IgnoreRules(), earlier: undefined });
    assert.match((await failureWithHint(save, "CONFLICT")).message, '"f"', name);
  }
});

test("a small file that never stops changing fails the save; one that stops is kept whole", async () => {
  const root = newFolder();
  makeTree(root, { f: "" });
  const path = join(root, "f");
  // The size that the kernel says is 0, whatever there is to read: never what was found.
  const [found] = await scanned(root);
  await failure(() => readSmall("/proc/self/status", { ...found!, path: "status" }), "CONFLICT");
  assert.is(readSmall(path, found!).bytes.length, 0);
});

test("a small file that has grown since it was found is read whole", async () => {
  const root = newFolder();
  makeTree(root, { f: "old" });
  const [found] = await scanned(root);
  const path = join(root, "f");
  writeFileSync(path, "longer");
  assert.is(readSmall(path, found!).bytes.toString(), "longer");
});

test("a save that is aborted ends with ABORTED, also in a large file", async () => {
  const root = newFolder();
  makeTree(root, { f: Buffer.alloc(3 * LARGE_BYTES_MIN) });
  const abort = new AbortController();
  const store = new MemoryStore();
  store.putLarge = async (pieces) => {
    for await (const _ of pieces) abort.abort();
    return { digest: Buffer.alloc(32) };
  };
  const { signal } = abort;
  await failure(
    captureTree(root, store, { ignore: new IgnoreRules(), earlier: undefined, signal }),
    "ABORTED",
  );
});

test("progress counts the files, and the event loop goes on", async () => {
  const root = newFolder();
  for (let i = 0; i < 3_000; i++) writeFileSync(join(root, `${i}`), "");
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  const told: number[] = [];
  await capture(root, { onProgress: ({ done, unit }) => told.push(unit === "files" ? done : -1) });
  clearInterval(timer);
  assert.is(told.at(-1), 3_000);
  assert.ok(told.length > 3 && turns > 3, `${told.length} reports, ${turns} turns`);
});

test.run();

import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compareBytes } from "../../engine/directory/entry.ts";
import { LARGE_BYTES_MIN } from "../../engine/directory/read-file.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { removeFolders } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import "../helpers/whole-suites.ts";
import type { Plan } from "./support.ts";
import { capture, entriesOf, makeTree, newFolder, treeOf } from "./support.ts";

const test = suite("directories: saved and restored");
test.after.each(removeFolders);

async function there(plan: Plan): Promise<{ root: string; back: string }> {
  const root = join(newFolder(), "tree");
  mkdirSync(root);
  makeTree(root, plan);
  const back = join(newFolder(), "back");
  await (await capture(root)).directory.writeTo(back);
  return { root, back };
}

test("everything that a tree is comes back: hidden files, links, executables, empty folders", async () => {
  const { root, back } = await there({
    "a.txt": "one",
    ".hidden/.file": "two",
    "bin/tool": { run: "#!/bin/sh\n" },
    empty: null,
    "deep/er/empty": null,
    "deep/link": { to: "../a.txt" },
    "deep/dangling": { to: "not/there" },
    "to-folder": { to: "deep" },
    nothing: "",
    "a-b": "sorts between a and a/",
    "large.bin": Buffer.alloc(3 * LARGE_BYTES_MIN + 7, "large "),
  });
  assert.equal(treeOf(back), treeOf(root));
});

test("odd names come back: spaces, newlines, quotes, both Unicode forms, 255 bytes, beyond the plane", async () => {
  const { root, back } = await there({
    " leading and trailing ": "1",
    "new\nline": "2",
    "quo\"te'": "3",
    "\u00e9": "composed",
    "e\u0301": "decomposed",
    ["x".repeat(255)]: "4",
    ["é".repeat(127)]: "5",
    "\u{1f600}/\u{1f600}": "6",
    "\uff5e": "sorts before \u{1f600} as bytes, behind it as JavaScript compares",
    "\ufffd": "the replacement character itself",
    "back\\slash": "7",
    "..dots": "8",
    "...": "9",
    "-rf": "10",
    "c:con": "11",
    "\u007f\u0001": "12",
  });
  assert.equal(treeOf(back), treeOf(root));
});

test("an empty tree is a tree", async () => {
  const { back } = await there({});
  assert.equal(readdirSync(back), []);
});

test("a list is in the order of the paths' bytes, and says what is there", async () => {
  const root = newFolder();
  makeTree(root, {
    "a/x": "1",
    "a-b": "2",
    a0: "3",
    "\uff5e": "4",
    "\u{1f600}": "5",
    b: null,
    run: { run: "6" },
  });
  makeTree(root, { l: { to: "a/x" } });
  const { directory } = await capture(root);
  const listed = [];
  for await (const entry of directory.list()) listed.push(entry);
  assert.equal(
    listed.map(({ path }) => path),
    ["a-b", "a/x", "a0", "b", "l", "run", "\uff5e", "\u{1f600}"],
  );
  assert.is(directory.entryCount, 8);
  assert.is(directory.size, 6);
  const [, x, , b, l, run] = listed;
  assert.is(x!.digest, "sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b");
  assert.equal([b!.kind, b!.digest, b!.size], ["directory", undefined, 0]);
  assert.equal([l!.kind, l!.target], ["link", "a/x"]);
  assert.equal([run!.executable, x!.executable], [true, false]);
});

test("part of a directory is listed and read by its path alone", async () => {
  const root = newFolder();
  makeTree(root, { "a/b/c": "deep", "a/d": "text", "a-": "x", e: null, l: { to: "a" } });
  const { directory } = await capture(root);
  assert.equal(await entriesOf(directory, "a"), ["a/b/c", "a/d"]);
  assert.equal(await entriesOf(directory, "a/b/"), ["a/b/c"]);
  assert.equal(await entriesOf(directory, "a/d"), ["a/d"]);
  assert.equal(await entriesOf(directory, "e"), ["e"]);
  assert.is(Buffer.from(await directory.read("a/d")).toString(), "text");
  assert.is(Buffer.from(await directory.read("a/d", { start: 1, end: 3 })).toString(), "ex");
  assert.is(await new Response(directory.stream("a/b/c") as never).text(), "deep");
  for (const path of ["x", "a/b/c/d", "a/", "A/d"])
    await failureWithHint(directory.read(path), path === "a/" ? "INVALID_ARGUMENT" : "NOT_FOUND");
  for (const path of ["", "/", "../x", "/a/d", "a//d", "./a", "e", "l", "a\0"])
    await failureWithHint(directory.read(path), "INVALID_ARGUMENT");
  await failureWithHint(entriesOf(directory, "x"), "NOT_FOUND");
  await failureWithHint(entriesOf(directory, ".."), "INVALID_ARGUMENT");
  await failureWithHint(new Response(directory.stream("nope") as never).text(), "NOT_FOUND");
});

test("equal trees have equal digests, whatever their times, inodes and the order of making", async () => {
  const plan: Plan = { "a/x": "1", b: "2", "c/d": null, run: { run: "3" }, l: { to: "b" } };
  const one = newFolder();
  const two = newFolder();
  makeTree(one, plan);
  makeTree(two, Object.fromEntries(Object.entries(plan).reverse()));
  execFileSync("touch", ["-d", "2001-02-03", join(two, "b")]);
  const { root } = await capture(one);
  assert.equal((await capture(two)).root, root);
  chmodSync(join(two, "b"), 0o755);
  assert.not.equal((await capture(two)).root, root);
});

test("10,000 files come back; where one changes, nearly all of the manifest is shared", async () => {
  const root = join(newFolder(), "tree");
  for (let i = 0; i < 100; i++) {
    mkdirSync(join(root, `folder-${i}`), { recursive: true });
    for (let j = 0; j < 100; j++) writeFileSync(join(root, `folder-${i}`, `${j}.txt`), `${i} ${j}`);
  }
  const first = await capture(root);
  assert.is(first.entryCount, 10_000);
  const back = join(newFolder(), "back");
  await first.directory.writeTo(back);
  assert.equal(treeOf(back), treeOf(root));
  assert.equal(await entriesOf(first.directory), [...(await entriesOf(first.directory))].sort(compareBytes));
  const { nodes } = first.store;
  const before = nodes.size;
  assert.ok(before > 40, `${before} nodes`);
  writeFileSync(join(root, "folder-50", "new.txt"), "new");
  await capture(root, { before: first });
  // A piece and the root, and of the stamps too, beside those that were not settled the first time: of files that are not, pieces are often equal.
  const pieces = first.store.manifest(first.root).root.pieces.length;
  assert.ok(nodes.size - before <= pieces + 4, `${nodes.size - before} new nodes`);
});

test("files with holes come back with their holes", async () => {
  const root = newFolder();
  writeFileSync(join(root, "sparse"), "begin");
  truncateSync(join(root, "sparse"), 8 * 1024 * 1024);
  const back = join(newFolder(), "back");
  await (await capture(root)).directory.writeTo(back);
  assert.is(statSync(join(back, "sparse")).size, 8 * 1024 * 1024);
  assert.equal(treeOf(back), treeOf(root));
  assert.ok(statSync(join(back, "sparse")).blocks * 512 < 1024 * 1024);
});

test("random trees come back, and again from what came back", async () => {
  const random = new Random("random trees");
  const names = ["a", "b", "a-", "a0", "é", "e\u0301", "\uff5e", "\u{10000}", "A", " "];
  for (let run = 0; run < 20; run++) {
    const plan: Plan = {};
    const taken = (path: string) =>
      Object.keys(plan).some((each) => each.startsWith(`${path}/`) || path.startsWith(`${each}/`));
    for (let i = random.below(60); i > 0; i--) {
      const path = Array.from({ length: 1 + random.below(4) }, () => names[random.below(names.length)]).join(
        "/",
      );
      if (taken(path)) continue;
      const up = "../".repeat(path.split("/").length - 1);
      const what = [null, "x".repeat(random.below(50)), { run: path }, { to: `${up}${names[0]}` }][
        random.below(4)
      ]!;
      // A link to itself is none that can be kept.
      plan[path] = typeof what === "object" && what && "to" in what ? { to: `${up}nothing` } : what;
    }
    const { root, back } = await there(plan);
    assert.equal(treeOf(back), treeOf(root), `seed ${random.seed}`);
    assert.equal((await capture(back)).root, (await capture(root)).root);
  }
});

test("a restored folder has the permissions of any new one, and nothing is left beside it", async () => {
  const { back } = await there({ "a/b": "1", x: { run: "2" } });
  const plain = join(newFolder(), "plain");
  mkdirSync(plain);
  assert.is(statSync(back).mode, statSync(plain).mode);
  assert.is(statSync(join(back, "a")).mode, statSync(plain).mode);
  assert.equal(readdirSync(join(back, "..")), ["back"]);
  assert.ok(existsSync(join(back, "x")));
});

test.run();

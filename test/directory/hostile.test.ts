import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { StoredDirectory } from "../../engine/directory/directory.ts";
import type { FileContent, TreeEntry } from "../../engine/directory/entry.ts";
import { foldedName, isForeign } from "../../engine/directory/file-system.ts";
import { LinkJudge } from "../../engine/directory/links.ts";
import { LARGE_BYTES_MIN } from "../../engine/directory/read-file.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { fingerprint, removeFolders } from "../helpers/folders.ts";
import "../helpers/whole-suites.ts";
import { entriesOf, file, MemoryStore, newFolder, written } from "./support.ts";

const test = suite("directories: manifests that mean harm");
test.after.each(removeFolders);

const store = new MemoryStore();
const at = (path: string): TreeEntry => file(store, path, "planted");
const link = (path: string, target: string): TreeEntry => ({ kind: "link", path, target });
const folder = (path: string): TreeEntry => ({ kind: "directory", path });
const deep = (levels: number): string => Array.from({ length: levels }, () => "d").join("/");

const ATTACKS: Record<string, TreeEntry[]> = {
  "a name that goes up": [at("../planted")],
  "a name that goes up on its way": [at("a/../../planted")],
  "a name that goes up at its end": [at("a/..")],
  "the name of the folder above": [at("..")],
  "a folder that is above": [folder("../planted")],
  "an absolute name": [at("/tmp/planted")],
  "an empty name": [at("")],
  "the root as an empty folder": [folder("")],
  "an empty component": [at("a//b")],
  "a component that stands for its folder": [at("a/./b")],
  "a name that stands for its folder": [at(".")],
  "a file whose name ends with a slash": [at("a/")],
  "an empty folder whose name ends with a slash": [folder("a/")],
  "a zero in a name": [at("a\0b")],
  "a zero where a link leads": [link("a", "b\0c")],
  "a link that leads nowhere": [link("a", "")],
  "a link's target beyond what a system takes": [link("a", "x/".repeat(3_000))],
  "a path beyond what a system takes": [at(`${deep(2_048)}/x`)],
  "a name twice": [at("a"), at("a")],
  "names out of order": [at("b"), at("a")],
  "a file in a file": [at("a"), at("a/b")],
  "a file deep in a file, with others between": [at("a"), at("a-"), at("a-b"), at("a/b/c/d")],
  "a file in a link": [link("a", "b"), at("a/planted")],
  "a file in a link out": [link("a", ".."), at("a/planted")],
  "a file in an empty folder": [folder("a"), at("a/b")],
  "a file that is an empty folder too": [at("a"), folder("a")],
  "a link that is an empty folder too": [link("a", "x"), folder("a")],
  "a link to an absolute path": [link("a", "/etc")],
  "a link out": [link("a", "..")],
  "a link out and in again": [link("a", "../tree/b")],
  "a link out from below": [at("a/b/c"), link("a/b/d", "../../../x")],
  "a link out behind what is not there": [link("a", "x/../../y")],
  "a link out through another link": [link("l", "s"), link("m", "l/../.."), at("s/x")],
  "a link that is inside by its text, and out by another link's": [
    link("a/b/up", "../.."),
    link("z", "a/b/up/../x"),
  ],
  "links that lead to each other": [link("a", "b"), link("b", "a")],
  "a link to itself": [link("a", "a/b")],
  "a link to itself by a way around": [link("a/b", "../a/./b")],
};

for (const [name, entries] of Object.entries(ATTACKS)) {
  test(`refused, and nothing is written: ${name}`, async () => {
    const outside = newFolder();
    writeFileSync(join(outside, "kept"), "kept");
    const before = fingerprint(outside);
    const target = join(outside, "tree");
    const error = await failure(async () => written(entries, store).directory.writeTo(target), "CORRUPTION");
    assert.match(error.message, /manifest of a directory/);
    assert.equal(fingerprint(outside), before);
    assert.not.ok(existsSync("/tmp/planted"));
  });
}

test("what is below an entry is found however much lies between them", async () => {
  const between = Array.from({ length: 3_000 }, (_, i) => at(`a-${String(i).padStart(4, "0")}`));
  const directory = written([at("a"), ...between, at("a/b")], store).directory;
  await failure(directory.writeTo(join(newFolder(), "tree")), "CORRUPTION");
});

test("a piece that belongs elsewhere in the tree is refused, also where one file is read", async () => {
  const many = (name: string) => Array.from({ length: 2_000 }, (_, i) => at(`${name}-${1_000 + i}`));
  const one = written(many("one"), store);
  const two = written(many("two"), store);
  const root = store.load(one.root);
  const other = store.load(two.root);
  const swapped = store.putNode({ ...root, references: [other.references[0]!, ...root.references.slice(1)] });
  await failure(store.directory(swapped).read("one-1000"), "CORRUPTION");
  await failure(entriesOf(store.directory(swapped)), "CORRUPTION");
  const a = store.load(written([at("a")], store).root);
  const b = store.load(written([at("b")], store).root);
  const exchanged = store.putNode({ ...b, references: a.references });
  await failure(store.directory(exchanged).read("b"), "CORRUPTION");
  const turned = store.putNode({ ...root, references: [...root.references].reverse() });
  await failure(async () => entriesOf(store.directory(turned)), "CORRUPTION");
});

test("contents of another size than the manifest says are refused, small and large", async () => {
  for (const size of [1, 10, LARGE_BYTES_MIN, 3 * LARGE_BYTES_MIN]) {
    for (const [less, what] of [
      [-1, "less"],
      [1, "more"],
    ] as const) {
      const entry = { ...file(store, "x", Buffer.alloc(size + less, what)), size } as TreeEntry;
      const parent = newFolder();
      await failure(written([entry], store).directory.writeTo(join(parent, "tree")), "CORRUPTION");
      assert.equal(readdirSync(parent), []);
    }
  }
});

test("contents that are missing leave nothing, and other files are read", async () => {
  const gone = { ...file(store, "gone"), digest: Buffer.alloc(32) } as TreeEntry;
  const { directory } = written([gone, at("x")], store);
  const parent = newFolder();
  await failure(directory.writeTo(join(parent, "tree")), "CORRUPTION");
  assert.equal(readdirSync(parent), []);
  assert.is(Buffer.from(await directory.read("x")).toString(), "planted");
});

/** The folder that grows beside a target. */
const growing = (parent: string): string => join(parent, readdirSync(parent)[0]!, "tree");

test("what somebody plants in the growing folder is neither followed nor written over", async () => {
  for (const path of ["sub", "sub/x", "large"]) {
    const parent = newFolder();
    const outside = newFolder();
    writeFileSync(join(outside, "x"), "kept");
    const mine = new MemoryStore();
    const entries = [
      file(mine, "a"),
      file(mine, "early", Buffer.alloc(LARGE_BYTES_MIN)),
      file(mine, "large", Buffer.alloc(LARGE_BYTES_MIN)),
      file(mine, "sub/x"),
    ];
    const manifest = mine.manifest(written(entries, mine).root);
    let planted = false;
    const plant = () => {
      if (planted) return;
      planted = true;
      const full = join(growing(parent), path);
      mkdirSync(dirname(full), { recursive: true });
      symlinkSync(path === "sub" ? outside : join(outside, "x"), full);
    };
    const contents = {
      bytes: (file: FileContent) => {
        plant();
        return mine.bytes(file);
      },
      stream: (file: FileContent) => {
        plant();
        return mine.stream(file);
      },
    };
    const error = await failure(
      new StoredDirectory(manifest, contents).writeTo(join(parent, "tree")),
      "NOT_SUPPORTED",
    );
    assert.match(error.message, JSON.stringify(path === "sub/x" ? "sub" : path));
    assert.is(readFileSync(join(outside, "x"), "utf8"), "kept");
    assert.equal(readdirSync(outside), ["x"]);
    assert.equal(readdirSync(parent), []);
  }
});

test("two names that the file system can't tell apart are an error that names both", async () => {
  const parent = newFolder();
  const mine = new MemoryStore();
  const manifest = mine.manifest(written([file(mine, "A.txt"), file(mine, "a.txt")], mine).root);
  // As on a file system where the second name is there as soon as the first one is.
  const contents = {
    bytes: (file: FileContent) => {
      const full = join(growing(parent), "a.txt");
      if (!existsSync(full)) writeFileSync(full, "");
      return mine.bytes(file);
    },
    stream: mine.stream,
  };
  const directory = new StoredDirectory(manifest, contents);
  const error = await failureWithHint(directory.writeTo(join(parent, "tree")), "NOT_SUPPORTED");
  assert.match(error.message, '"a.txt" from "A.txt"');
  assert.equal(readdirSync(parent), []);
});

test("names are one for a file system that folds them as it takes them", () => {
  assert.is(foldedName("\u00c9A"), foldedName("e\u0301a"));
  assert.is(foldedName("STRASSE"), foldedName("straße"));
  assert.is.not(foldedName("a"), foldedName("b"));
});

test("links are judged by the names as the file system takes them", () => {
  const judged = (fold?: (name: string) => string) => {
    const judge = new LinkJudge(fold);
    judge.add("x/a", "..");
    judge.add("y", "x/A/../z");
    return judge.firstLeadingOut()?.path;
  };
  assert.is(judged(), undefined);
  assert.is(judged(foldedName), "y");
});

test("links that stay inside are kept, through others and up to the root itself", async () => {
  const links = [link("a/b/up", "../.."), link("a/c", "b/up/a/b/../x"), link("e", "./a//b/"), link("r", ".")];
  const target = join(newFolder(), "tree");
  await written([links[0]!, links[1]!, at("d/x"), ...links.slice(2)], store).directory.writeTo(target);
  assert.ok(lstatSync(join(target, "a/b/up")).isSymbolicLink());
  assert.is(readFileSync(join(target, "e/up/d/x"), "utf8"), "planted");
});

test("a chain of links longer than any system follows is refused, without using up the stack", async () => {
  const name = (i: number) => `l${String(i).padStart(6, "0")}`;
  const chain = Array.from({ length: 50_000 }, (_, i) => link(name(i), name(i + 1)));
  await failure(written(chain, store).directory.writeTo(join(newFolder(), "tree")), "CORRUPTION");
});

test("many short links to a long way take time in proportion to their number", () => {
  const judge = new LinkJudge();
  judge.add("long", "d/".repeat(2_000));
  for (let i = 0; i < 100_000; i++) judge.add(`l${i}`, "long/long/long");
  assert.is(judge.firstLeadingOut(), undefined);
});

test("names that mean something else on Windows are told", () => {
  for (const path of ["a\\b", "c:x", "a/con", "NUL.txt", "a.", "b /x", "what?"]) {
    assert.ok(isForeign(path, "win32"), path);
    assert.not.ok(isForeign(path, "linux"), path);
  }
  for (const path of ["a/b", "../x", "console", "a.b", ". a"]) assert.not.ok(isForeign(path, "win32"), path);
});

test.run();

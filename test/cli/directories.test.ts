import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { makeTree, treeOf } from "../directory/support.ts";
import type { Outcome } from "../helpers/command-line.ts";
import { type CommandLine, documentsOf, errorOf } from "../helpers/command-line.ts";
import { damageText, segmentsOf } from "../helpers/damage.ts";
import { Random } from "../helpers/random.ts";
import { MIB, noise } from "../large/support.ts";
import { type BesideTree, beginBesideTree, MEDIA_TYPE, sha256 } from "./directories-support.ts";

const test = suite<BesideTree>("varve with directories");
test.before.each(beginBesideTree);
test.after.each(({ line }) => line.remove());

const SIZE = 8 + 10 + 2 + 3;

function refused({ exitCode, stdout, stderr }: Outcome, code: number, hint?: RegExp): void {
  assert.is(exitCode, code, stderr);
  assert.is(stdout, "");
  if (hint) assert.match(stderr.split("\nhint: ")[1] ?? "no hint", hint);
}

/** What `list --tree` shows of a ref, below the first line. */
async function shown(line: CommandLine, ref: string): Promise<string[]> {
  const { stdout, exitCode } = await line.varve(["list", "--tree", ref]);
  assert.is(exitCode, 0);
  const [first, ...lines] = stdout.split("\n").slice(0, -1);
  assert.match(first!, /^dir:\d+ created on .*\/$/);
  return lines.map((each) => each.slice(2));
}

test("save keeps a directory, get -o brings it back, into a new folder or an empty one", async ({
  line,
  root,
}) => {
  assert.is((await line.varve(["save", "dir", root, "--tag", "stage=raw"])).stdout, "dir:0\n");
  const [artifact] = documentsOf(await line.varve(["save", "dir", root, "--json"]));
  assert.equal([artifact.ref, artifact.mediaType, artifact.size], ["dir:1", MEDIA_TYPE, SIZE]);
  const [fresh, empty, taken] = ["fresh", "empty", "taken"].map((name) => join(line.folder, name));
  mkdirSync(empty!);
  makeTree(taken!, { mine: "mine" });
  for (const target of [fresh!, empty!]) {
    assert.equal(await line.varve(["get", "dir:0", "-o", target]), {
      ...{ exitCode: 0, stdout: "", stderr: "", bytes: Buffer.alloc(0) },
    });
    assert.equal(treeOf(target), treeOf(root));
  }
  refused(await line.varve(["get", "dir", "-o", taken!]), 4, /./);
  refused(await line.varve(["get", "dir", "-o", join(taken!, "mine")]), 4, /./);
  assert.equal(readdirSync(taken!), ["mine"]);
  assert.equal(readdirSync(line.folder).sort(), [".varve", "empty", "fresh", "taken", "tree"]);
});

test("get without -o is refused, and says how it is done", async ({ line, root }) => {
  await line.varve(["save", "dir", root]);
  for (const words of [
    ["get", "dir"],
    ["get", "dir", "-o", "-"],
    ["get", "dir", "--raw"],
  ])
    refused(await line.varve(words), 2, /-o PATH.*--file.*list --tree/);
  const outcome = await line.varve(["get", "dir", "--json"]);
  assert.is(outcome.exitCode, 2);
  assert.is(errorOf(outcome).code, "INVALID_ARGUMENT");
});

test("--ignore leaves out, several at once and repeated; the contents are looked at when that is asked for", async ({
  line,
  root,
}) => {
  const pathsOf = async (ref: string) =>
    documentsOf(await line.varve(["list", "--tree", ref, "--json"])).map(({ path }) => path);
  await line.varve(["save", "dir", root, "--ignore", "*.csv", "hollow/"]);
  assert.equal(await pathsOf("dir:0"), ["bin/latest", "bin/run", "data/more"]);
  await line.varve(["save", "dir", root, "--ignore", "bin/", "--ignore", "data/*.csv"]);
  assert.equal(await pathsOf("dir:1"), ["a.csv", "data/more/2.csv", "hollow"]);
  assert.is((await line.varve(["save", "dir", root, "--check-contents"])).exitCode, 0);
  refused(await line.varve(["save", "dir", root, "--ignore", "!a"]), 2, /./);
});

test("options of directories are refused with anything else, and the other way round", async ({
  line,
  root,
}) => {
  const file = join(root, "a.csv");
  for (const source of [[file], ["-"], ["--value", "1"], ["--value-file", file], [join(root, "none")]]) {
    for (const option of [["--ignore", "x"], ["--check-contents"]])
      refused(await line.varve(["save", "dir", ...source, ...option], { stdin: "x" }), 2);
  }
  refused(await line.varve(["save", "dir", root, "--media-type", "text/csv"]), 2);
  refused(await line.varve(["save", "dir", file, "--media-type", MEDIA_TYPE]), 2, /saveDirectory/);
  assert.is((await line.varve(["list"])).stdout, "");
});

test("what can't be kept is named", async ({ line, root }) => {
  symlinkSync("../..", join(root, "out"));
  const outcome = await line.varve(["save", "dir", root]);
  refused(outcome, 1, /ignore/);
  assert.match(outcome.stderr, /"out" is a link to/);
  assert.is((await line.varve(["save", "dir", root, "--ignore", "out"])).exitCode, 0);
});

test("get --file gives one file, to stdout, into a file, or as JSON", async ({ line, root }) => {
  const large = noise(new Random("one file"), 2 * MIB);
  writeFileSync(join(root, "large"), large);
  await line.varve(["save", "dir", root]);
  assert.is((await line.varve(["get", "dir", "--file", "data/more/2.csv"])).stdout, "22\n");
  assert.is(
    (await line.varve(["get", "dir", "--file", "a.csv"], { terminal: ["stdout"] })).stdout,
    "x,y\n1,2\n",
  );
  assert.ok((await line.varve(["get", "dir", "--file", "large"])).bytes.equals(large));
  refused(await line.varve(["get", "dir", "--file", "large"], { terminal: ["stdout"] }), 2, /-o/);
  const target = join(line.folder, "out");
  assert.is((await line.varve(["get", "dir", "--file", "large", "-o", target])).exitCode, 0);
  assert.ok(readFileSync(target).equals(large));
  const json = documentsOf(await line.varve(["get", "dir", "--file", "data/1.csv", "--json"]));
  assert.equal(json, [{ $bytes: Buffer.from("1\n").toString("base64") }]);
});

test("get --file of what is no file exits with 2, of what is not there with 3", async ({ line, root }) => {
  await line.varve(["save", "dir", root]);
  await line.varve(["save", "v", "--value", "1"]);
  const target = join(line.folder, "out");
  for (const more of [[], ["--json"], ["-o", target]]) {
    const get = (path: string, ref = "dir") => line.varve(["get", ref, "--file", path, ...more]);
    const codes: number[] = [];
    for (const path of ["data", "data/", "hollow", "bin/latest", "../a.csv", "none", "data/none"])
      codes.push((await get(path)).exitCode!);
    assert.equal(codes, [2, 2, 2, 2, 2, 3, 3], more.join(" "));
    if (!more.includes("--json"))
      assert.match((await get("data")).stderr, /data is no file of dir:0\n.*list --tree/);
    const outcome = await get("a.csv", "v");
    assert.is(outcome.exitCode, 2);
    assert.match(outcome.stderr, /no directory/);
  }
  assert.not(existsSync(target));
});

test("a file that the disk has lost exits with 5, and -o leaves nothing of it", async ({ line, root }) => {
  writeFileSync(join(root, "a.csv"), "found by these words");
  await line.varve(["save", "dir", root]);
  damageText(segmentsOf(line.home)[0]!, "found by these words");
  const target = join(line.folder, "out");
  for (const more of [
    ["--file", "a.csv"],
    ["--file", "a.csv", "-o", target],
    ["-o", target],
  ])
    assert.is((await line.varve(["get", "dir", ...more])).exitCode, 5, more.join(" "));
  assert.equal(readdirSync(line.folder).sort(), [".varve", "tree"]);
  assert.is((await line.varve(["get", "dir", "--file", "data/1.csv"])).stdout, "1\n");
});

test("list --tree shows what is in a directory; with --json a document each", async ({ line, root }) => {
  await line.varve(["save", "dir", root]);
  await line.varve(["save", "v", "--value", "1"]);
  const lines = [
    ...["a.csv  8 bytes", "bin/", "  latest -> run", "  run*  10 bytes", "data/", "  1.csv  2 bytes"],
    ...["  more/", "    2.csv  3 bytes", "hollow/"],
  ];
  assert.equal(await shown(line, "dir:0"), lines);
  assert.equal(await shown(line, "dir:latest"), lines);
  const documents = documentsOf(await line.varve(["list", "--tree", "dir:0", "--json"]));
  assert.equal(documents.slice(0, 3), [
    { path: "a.csv", kind: "file", size: 8, executable: false, digest: sha256("x,y\n1,2\n") },
    { path: "bin/latest", kind: "link", target: "run" },
    { path: "bin/run", kind: "file", size: 10, executable: true, digest: sha256("#!/bin/sh\n") },
  ]);
  assert.equal(documents.at(-1), { path: "hollow", kind: "directory" });
  refused(await line.varve(["list", "--tree", "v:0"]), 2, /varve show/);
  refused(await line.varve(["list", "--tree", "dir:7"]), 3);
  for (const filter of [["--tag", "a=b"], ["--all-versions"], ["--limit", "1"]])
    refused(await line.varve(["list", "dir:0", "--tree", ...filter]), 2, /filters/);
  // Without a version it is a pattern, as ever.
  assert.match((await line.varve(["list", "--tree", "dir"])).stdout, /^dir\b/);
});

test("show has the beginning of the tree", async ({ line, root }) => {
  await line.varve(["save", "dir", root]);
  const { stdout } = await line.varve(["show", "dir"]);
  assert.match(stdout, new RegExp(`type +${MEDIA_TYPE}\n +size +${SIZE} bytes\n`));
  assert.is(stdout.split("\n\n")[1], `${(await shown(line, "dir:0")).join("\n")}\n`);
  const [facts] = documentsOf(await line.varve(["show", "dir", "--json"]));
  assert.equal([facts.ref, facts.size], ["dir:0", SIZE]);
  makeTree(root, Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`a/${n + 10}`, ""])));
  await line.varve(["save", "dir", root]);
  const preview = (await line.varve(["show", "dir"])).stdout.split("\n\n")[1]!.split("\n");
  assert.equal([preview.length, preview[0], preview.at(-2)], [22, "a.csv  8 bytes", "…"]);
  mkdirSync(join(line.folder, "none"));
  await line.varve(["save", "none", join(line.folder, "none")]);
  assert.match((await line.varve(["show", "none"])).stdout, /\n\n\(empty\)\n$/);
});

test("names that could drive a terminal are escaped, and come back as they were", async ({ line, root }) => {
  const odd = "new\nline \u001b[2J\u202e x";
  const escaped = "new\\u000aline \\u001b[2J\\u202e x";
  makeTree(root, { [`${odd}/${odd}`]: "x", "link\u0007": { to: `${odd}/${odd}` }, [`hollow/${odd}`]: null });
  await line.varve(["save", "dir", root]);
  const tree = await shown(line, "dir:0");
  for (const each of [`${escaped}/`, `  ${escaped}  1 byte`, `link\\u0007 -> ${escaped}/${escaped}`])
    assert.ok(tree.includes(each), each);
  const target = join(line.folder, "out");
  await line.varve(["get", "dir", "-o", target]);
  assert.equal(treeOf(target), treeOf(root));
  assert.is((await line.varve(["get", "dir", "--file", `${odd}/${odd}`])).stdout, "x");
  writeFileSync(join(root, odd, odd), "xy");
  await line.varve(["save", "dir", root]);
  const outputs = [
    await line.varve(["diff", "dir:0", "dir:1"]),
    await line.varve(["diff", "dir:0", "dir:1", "--json"]),
    await line.varve(["show", "dir"]),
    await line.varve(["list", "--tree", "dir:1", "--json"]),
    await line.varve(["get", "dir", "--file", odd]),
    await line.varve(["get", "dir", "--file", `${odd}x`]),
  ];
  for (const { stdout, stderr } of outputs)
    for (const raw of ["\u001b", "\u0007", "\u202e"]) assert.not((stdout + stderr).includes(raw));
  assert.match(outputs[0]!.stdout, /^\+ new\\u000aline/m);
});

test.run();

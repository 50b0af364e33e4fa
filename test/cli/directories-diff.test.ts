import { chmodSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { makeTree } from "../directory/support.ts";
import { documentsOf } from "../helpers/command-line.ts";
import { type BesideTree, beginBesideTree, MEDIA_TYPE, sha256 } from "./directories-support.ts";

const test = suite<BesideTree>("varve diff of directories");
test.before.each(beginBesideTree);
test.after.each(({ line }) => line.remove());

test("diff tells file by file what was added, removed and changed", async ({ line, root }) => {
  await line.varve(["save", "dir", root]);
  writeFileSync(join(root, "a.csv"), "x,y\n1,3,5\n");
  chmodSync(join(root, "bin/run"), 0o644);
  rmSync(join(root, "bin/latest"));
  symlinkSync("../a.csv", join(root, "bin/latest"));
  rmSync(join(root, "data/more"), { recursive: true });
  makeTree(root, { "data/3.csv": "3\n", "hollow/now full": "" });
  await line.varve(["save", "dir", root]);
  const digest = (text: string) => `${sha256(text).slice(0, "sha256:".length + 12)}…`;
  const { stdout, exitCode } = await line.varve(["diff", "dir:0", "dir:1"]);
  assert.is(exitCode, 0);
  assert.equal(stdout.split("\n").slice(2, -1), [
    `- a.csv: file of 8 bytes, ${digest("x,y\n1,2\n")}`,
    `+ a.csv: file of 10 bytes, ${digest("x,y\n1,3,5\n")}`,
    '- bin/latest: "link to run"',
    '+ bin/latest: "link to ../a.csv"',
    `- bin/run: executable file of 10 bytes, ${digest("#!/bin/sh\n")}`,
    `+ bin/run: file of 10 bytes, ${digest("#!/bin/sh\n")}`,
    `+ data/3.csv: file of 2 bytes, ${digest("3\n")}`,
    `- data/more/2.csv: file of 3 bytes, ${digest("22\n")}`,
    '- hollow: "empty folder"',
    `+ hollow/now full: file of 0 bytes, ${digest("")}`,
  ]);
  const [{ value }] = documentsOf(await line.varve(["diff", "dir:0", "dir:1", "--json"]));
  assert.equal([value.kind, value.count], ["directory", 7]);
  assert.equal(value.changes.at(-2), { path: "hollow", from: { value: "empty folder" } });
  assert.equal(value.changes[0].to, { type: "file", size: 10, digest: sha256("x,y\n1,3,5\n") });
  assert.match((await line.varve(["diff", "dir:0", "dir:0"])).stderr, /do not differ/);
});

test("diff keeps step where an empty folder is sorted as what would be in it", async ({ line, root }) => {
  rmSync(root, { recursive: true });
  makeTree(root, { a: null, "a-b": "x", c: "c" });
  await line.varve(["save", "dir", root]);
  rmSync(join(root, "a-b"));
  await line.varve(["save", "dir", root]);
  rmSync(join(root, "a"), { recursive: true });
  writeFileSync(join(root, "a"), "a");
  await line.varve(["save", "dir", root]);
  const pathsOf = async (from: string, to: string) => {
    const [{ value }] = documentsOf(await line.varve(["diff", from, to, "--json"]));
    return value.changes.map(({ path, from, to }: { path: string; from?: object; to?: object }) => {
      return `${from ? "-" : ""}${to ? "+" : ""}${path}`;
    });
  };
  assert.equal(await pathsOf("dir:0", "dir:1"), ["-a-b"]);
  assert.equal(await pathsOf("dir:1", "dir:0"), ["+a-b"]);
  assert.equal((await pathsOf("dir:1", "dir:2")).sort(), ["+a", "-a"]);
});

test("diff of a directory and another value tells both by size and digest", async ({ line, root }) => {
  await line.varve(["save", "dir", root]);
  await line.varve(["save", "dir", join(root, "a.csv")]);
  const lines = (await line.varve(["diff", "dir:0", "dir:1"])).stdout.split("\n").slice(2, -1);
  assert.equal(lines.slice(0, 2), [`- mediaType: ${MEDIA_TYPE}`, "+ mediaType: application/octet-stream"]);
  assert.match(lines[2]!, /^- value: 23 bytes, sha256:/);
  assert.match(lines[3]!, /^\+ value: 8 bytes, sha256:/);
});

test.run();

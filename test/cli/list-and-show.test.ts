import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CommandLine, documentsOf } from "../helpers/command-line.ts";

const test = suite<{ line: CommandLine }>("varve list, history, show and code");

test.before.each(async (context) => {
  context.line = await CommandLine.inNewFolder();
});
test.after.each(({ line }) => line.remove());

/** a:0, a:1, b/c:0 (tag k=v), b/d:0 */
async function fill(line: CommandLine): Promise<void> {
  await line.varve(["save", "a", "--value", "1"]);
  await line.varve(["save", "a", "--value", "2"]);
  await line.varve(["save", "b/c", "--value", "3", "--tag", "k=v"]);
  await line.varve(["save", "b/d", "--value", "4"]);
}

async function refsOf(line: CommandLine, ...args: string[]): Promise<string[]> {
  return documentsOf(await line.varve([...args, "--json"])).map(({ ref }) => ref);
}

test("list has a line for the latest version of each name, in order of names", async ({ line }) => {
  await fill(line);
  const { stdout, stderr, exitCode } = await line.varve(["list"]);
  const times = documentsOf(await line.varve(["list", "--json"])).map(({ createdAt }) => createdAt as string);
  const shown = times.map((time) => time.replace("T", " ").replace("Z", ""));
  const refs = ["a:1", "b/c:0", "b/d:0"];
  assert.is(stdout, refs.map((ref, index) => `${ref} created on ${shown[index]}\n`).join(""));
  assert.is(stderr, "");
  assert.is(exitCode, 0);
});

test("list takes a pattern and filters", async ({ line }) => {
  await fill(line);
  assert.equal(await refsOf(line, "list", "*"), ["a:1"]);
  assert.equal(await refsOf(line, "list", "b/*"), ["b/c:0", "b/d:0"]);
  assert.equal(await refsOf(line, "list", "--tag", "k=v"), ["b/c:0"]);
  assert.equal(await refsOf(line, "list", "--tag", "k=other"), []);
  assert.equal(await refsOf(line, "list", "--all-versions"), ["a:1", "a:0", "b/c:0", "b/d:0"]);
  assert.equal(await refsOf(line, "list", "--reverse"), ["b/d:0", "b/c:0", "a:1"]);
  assert.equal(await refsOf(line, "list", "--limit", "2"), ["a:1", "b/c:0"]);
  assert.equal(await refsOf(line, "list", "--after", "b/c:0"), ["b/d:0"]);
});

test("list --deleted has what was deleted", async ({ line }) => {
  await fill(line);
  await line.varve(["delete", "b/d:0", "--yes"]);
  assert.equal(await refsOf(line, "list"), ["a:1", "b/c:0"]);
  assert.equal(await refsOf(line, "list", "--deleted"), ["b/d:0"]);
  assert.equal(documentsOf(await line.varve(["list", "--deleted", "--json"]))[0].deleted, true);
});

test("a list of nothing is empty and no failure", async ({ line }) => {
  await line.varve(["init"]);
  const { stdout, exitCode } = await line.varve(["list", "none"]);
  assert.is(stdout, "");
  assert.is(exitCode, 0);
});

test("options that are not there, or have no sound value, are usage errors", async ({ line }) => {
  await fill(line);
  for (const words of [
    ["--where", "x"],
    ["--at", "2026-11-24"],
    ["--limit", "0"],
    ["--limit", "x"],
    ["--no-limit"],
    ["a", "b"],
  ]) {
    assert.is((await line.varve(["list", ...words])).exitCode, 2, words.join(" "));
  }
});

test("history has the versions of a name oldest first, with their aliases", async ({ line }) => {
  await fill(line);
  await line.varve(["alias", "a:0", "prod"]);
  assert.equal(await refsOf(line, "history", "a"), ["a:0", "a:1"]);
  const [first, second] = (await line.varve(["history", "a"])).stdout.split("\n");
  assert.match(first!, /^a:0 created on .* @prod$/);
  assert.match(second!, /^a:1 created on [^@]*$/);
  assert.is((await line.varve(["history", "none"])).exitCode, 3);
});

test("show tells the facts and the beginning of the value", async ({ line }) => {
  await line.varve(["save", "from", "--value", "1"]);
  const words = ["--value", '{"k":[1]}', "--tag", "t=u", "--meta", "m=1", "--input", "from"];
  await line.varve(["save", "a", ...words]);
  await line.varve(["alias", "a:0", "prod"]);
  const { stdout } = await line.varve(["show", "a"]);
  for (const part of [
    /^a:0\n/,
    /type +application\/cbor/,
    /aliases +prod/,
    /tags +t=u/,
    /metadata +{"m":1}/,
  ]) {
    assert.match(stdout, part);
  }
  assert.match(stdout, /inputs +from:0/);
  assert.ok(stdout.endsWith('\n\n{\n  "k": [\n    1\n  ]\n}\n'));
});

test("show previews text as text and other bytes as hex, and no more than the beginning", async ({
  line,
}) => {
  await line.varve(["save", "text", "-"], { stdin: "line\n".repeat(10_000) });
  await line.varve(["save", "bytes", "-"], { stdin: Buffer.from([0, 0xff, 0x1b]) });
  await line.varve(["save", "empty", "-"], { stdin: "" });
  assert.ok((await line.varve(["show", "text"])).stdout.endsWith(`\n\n${"line\n".repeat(20)}…\n`));
  assert.ok((await line.varve(["show", "bytes"])).stdout.endsWith("\n\n00 ff 1b\n"));
  assert.ok((await line.varve(["show", "empty"])).stdout.endsWith("\n\n(empty)\n"));
});

test("show --json has all facts and the code", async ({ line }) => {
  const code = join(line.folder, "a.ts");
  writeFileSync(code, "a\n");
  await line.varve(["save", "a", "--value", "1", "--code", code]);
  const [shown] = documentsOf(await line.varve(["show", "a", "--json"]));
  const [listed] = documentsOf(await line.varve(["list", "--json"]));
  const { code: shownCode, ...facts } = shown;
  assert.equal(facts, listed);
  assert.equal(shownCode, { sources: [{ file: code, text: "a\n" }] });
});

test("code prints one source exactly, and several under their names", async ({ line }) => {
  const [one, two] = ["one.ts", "two.ts"].map((name) => join(line.folder, name));
  writeFileSync(one!, "first();\r\n\tsecond()");
  writeFileSync(two!, "third()\n");
  await line.varve(["save", "single", "--value", "1", "--code", one!]);
  await line.varve(["save", "double", "--value", "1", "--code", one!, two!]);
  assert.is((await line.varve(["code", "single"])).stdout, "first();\r\n\tsecond()");
  const text = `==> ${one} <==\nfirst();\r\n\tsecond()\n==> ${two} <==\nthird()\n`;
  assert.is((await line.varve(["code", "double"])).stdout, text);
  const [document] = documentsOf(await line.varve(["code", "single", "--json"]));
  assert.equal(document, { ref: "single:0", sources: [{ file: one, text: "first();\r\n\tsecond()" }] });
});

test("code of an artifact that has none exits with 3", async ({ line }) => {
  await line.varve(["save", "a", "--value", "1"]);
  const { exitCode, stderr } = await line.varve(["code", "a"]);
  assert.is(exitCode, 3);
  assert.match(stderr, /without code/);
});

test("nothing that was saved can drive a terminal", async ({ line }) => {
  const evil = "\u001b]0;title\u0007\u009b2J\u202egnp.exe";
  const code = join(line.folder, "evil.ts");
  writeFileSync(code, `${evil}\rover\n`);
  const words = ["--value", JSON.stringify({ [evil]: evil }), "--tag", `${evil}=${evil}`, "--code", code];
  await line.varve(["save", "a", ...words, "--meta", `k=${JSON.stringify(evil)}`]);
  for (const args of [
    ["show", "a"],
    ["show", "a", "--json"],
    ["get", "a"],
    ["list", "--json"],
    ["code", "a"],
    ["annotate", "a", "--delete", `none${evil}`],
    ["get", `x${evil}`],
  ]) {
    const { stdout, stderr } = await line.varve(args, { terminal: ["stdout"], env: { NO_COLOR: "1" } });
    assert.not.match(stdout + stderr, /(?!\n)[\p{Cc}\u202e]/u, args.join(" "));
  }
  // On a pipe the code is exact.
  assert.is((await line.varve(["code", "a"])).stdout, `${evil}\rover\n`);
});

test.run();

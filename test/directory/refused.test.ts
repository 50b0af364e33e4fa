import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openEngine } from "../../engine/key-value.ts";
import { openStore } from "../../engine/main.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { removeFolders } from "../helpers/folders.ts";
import "../helpers/whole-suites.ts";
import { capture, entriesOf, makeTree, newFolder } from "./support.ts";

const test = suite("directories: what is left out and what is refused");
test.after.each(removeFolders);

/** A root that can't be kept, and could without `path`. */
async function refusedFor(
  root: string,
  path: string,
  code: "UNSUPPORTED_VALUE" | "IO" | "CONFLICT",
  kept = ["x"],
) {
  if (kept.includes("x")) writeFileSync(join(root, "x"), "x");
  const error = await failureWithHint(capture(root), code);
  assert.match(error.message, JSON.stringify(path));
  assert.match(error.hint!, "`ignore`");
  assert.is(error.details?.path, path);
  assert.equal(await entriesOf((await capture(root, { ignore: [path] })).directory), kept);
  return error;
}

test("a socket", async () => {
  const root = newFolder();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(join(root, "s"), resolve));
  try {
    assert.match((await refusedFor(root, "s", "UNSUPPORTED_VALUE")).message, "socket");
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

test("a named pipe, which nobody waits for", async () => {
  const root = newFolder();
  execFileSync("mkfifo", [join(root, "pipe")]);
  assert.match((await refusedFor(root, "pipe", "UNSUPPORTED_VALUE")).message, "named pipe");
});

test("a device", async () => {
  const root = newFolder();
  const { status, stderr } = spawnSync("mknod", [join(root, "null"), "c", "1", "3"], { encoding: "utf8" });
  if (status !== 0) return console.log(`skipped: a device can't be made here: ${stderr}`);
  assert.match((await refusedFor(root, "null", "UNSUPPORTED_VALUE")).message, "device");
});

test("a name that is not UTF-8 is shown with its bytes", async () => {
  const root = newFolder();
  mkdirSync(join(root, "sub"));
  writeFileSync(Buffer.concat([Buffer.from(join(root, "sub/")), Buffer.from([0x61, 0xff, 0x0a])]), "x");
  const error = await failureWithHint(capture(root), "UNSUPPORTED_VALUE");
  assert.is(error.details?.path, "sub/a\\xff\\x0a");
  assert.equal(await entriesOf((await capture(root, { ignore: ["sub/"] })).directory), []);
});

test("a link whose target is not UTF-8", async () => {
  const root = newFolder();
  symlinkSync(Buffer.from([0x61, 0xff]), join(root, "l"));
  assert.match((await refusedFor(root, "l", "UNSUPPORTED_VALUE")).message, "a\\xff");
});

for (const target of ["/etc/passwd", "..", "../x", "x/../../y", "l"]) {
  test(`a link to ${target}`, async () => {
    const root = newFolder();
    symlinkSync(target, join(root, "l"));
    assert.match((await refusedFor(root, "l", "UNSUPPORTED_VALUE")).message, JSON.stringify(target));
  });
}

test("a tree deeper than the system's paths", async () => {
  const root = newFolder();
  // Made from above: no call could name the innermost folder.
  const make = `for (let i = 0; i < 3000; i++) { fs.mkdirSync("d"); process.chdir("d"); }`;
  execFileSync(process.execPath, ["-e", make], { cwd: root });
  try {
    const error = await failureWithHint(capture(root), "UNSUPPORTED_VALUE");
    assert.match(error.message, "too long");
    assert.ok(error.message.length < 500);
    assert.equal(await entriesOf((await capture(root, { ignore: ["/d/d/"] })).directory), ["d"]);
  } finally {
    execFileSync("rm", ["-rf", join(root, "d")]);
  }
});

test("1,000 levels are kept", async () => {
  const root = newFolder();
  const path = Array.from({ length: 1_000 }, () => "d").join("/");
  makeTree(root, { [`${path}/x`]: "deep" });
  const { directory } = await capture(root);
  assert.equal(await entriesOf(directory), [`${path}/x`]);
  await directory.writeTo(join(newFolder(), "back"));
});

test("what this user may not read", async () => {
  const folder = mkdtempSync("/tmp/varve-test-others-");
  try {
    chmodSync(folder, 0o755);
    makeTree(folder, { "file/f": "secret", "folder/closed/x": "secret", "folder/y": "open" });
    chmodSync(join(folder, "file/f"), 0o000);
    chmodSync(join(folder, "folder/closed"), 0o000);
    const script = fileURLToPath(new URL("./save-as-other.ts", import.meta.url));
    const { stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", script, folder], {
      encoding: "utf8",
    });
    assert.is(stderr, "");
    const said = JSON.parse(stdout);
    if (said.skipped) return console.log(`skipped: ${said.skipped}`);
    assert.equal(said.file, {
      code: "IO",
      path: "f",
      hint: "let this user read it, or leave it out with `ignore`",
    });
    assert.equal({ ...said.folder, hint: "" }, { code: "IO", path: "closed", hint: "" });
    assert.equal(said.without, ["y"]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("what is no folder, and what is not there", async () => {
  const root = newFolder();
  writeFileSync(join(root, "file"), "x");
  for (const path of ["file", "nothing", "file/x"])
    assert.match((await failureWithHint(capture(join(root, path)), "INVALID_ARGUMENT")).message, path);
});

test("a root may be a link to a folder", async () => {
  const root = newFolder();
  makeTree(root, { "tree/x": "1" });
  symlinkSync("tree", join(root, "l"));
  assert.equal(await entriesOf((await capture(join(root, "l"))).directory), ["x"]);
});

test("homes of stores and engines are left out, open or closed; folders that only look so are kept", async () => {
  const root = newFolder();
  makeTree(root, {
    "app/config.json": "{}",
    "app/log/today.log": "a line",
    "app/lock/x": "",
    "app2/log": null,
    "app2/lock/y": "",
    "varve-index-notes/x": "",
  });
  const store = await openStore({ home: join(root, "project/.varve"), environment: false });
  const engine = await openEngine(join(root, "engine"));
  try {
    await store.save("a", 1);
    await engine.put("k", 1);
    const kept = ["app/config.json", "app/lock/x", "app/log/today.log", "app2/lock/y", "app2/log", "project"];
    const entries = await entriesOf((await capture(root)).directory);
    assert.equal(entries, [...kept, "varve-index-notes/x"]);
    await failureWithHint(capture(join(root, "project/.varve")), "INVALID_ARGUMENT");
    await failureWithHint(capture(join(root, "project/.varve/log")), "INVALID_ARGUMENT");
    // The locks of this process are still held.
    await store.save("a", 2);
  } finally {
    await store.close();
    await engine.close();
  }
  assert.ok(!(await entriesOf((await capture(root)).directory)).some((path) => path.includes(".varve")));
});

const PATTERNS: [patterns: string[], kept: string[]][] = [
  [[], ["a.log", "build/x", "data/a.csv", "data/build/y", "data/deep/b.csv", "data/n.log", "e"]],
  [["*.log"], ["build/x", "data/a.csv", "data/build/y", "data/deep/b.csv", "e"]],
  [["/*.log"], ["build/x", "data/a.csv", "data/build/y", "data/deep/b.csv", "data/n.log", "e"]],
  [["build"], ["a.log", "data/a.csv", "data/deep/b.csv", "data/n.log", "e"]],
  [["build/"], ["a.log", "data/a.csv", "data/deep/b.csv", "data/n.log", "e"]],
  [["/build/"], ["a.log", "data/a.csv", "data/build/y", "data/deep/b.csv", "data/n.log", "e"]],
  [["e/"], ["a.log", "build/x", "data/a.csv", "data/build/y", "data/deep/b.csv", "data/n.log"]],
  [["x/"], ["a.log", "build/x", "data/a.csv", "data/build/y", "data/deep/b.csv", "data/n.log", "e"]],
  [["data/*.csv"], ["a.log", "build/x", "data/build/y", "data/deep/b.csv", "data/n.log", "e"]],
  [["data/**/*.csv"], ["a.log", "build/x", "data/build/y", "data/deep", "data/n.log", "e"]],
  [
    ["**/y", "e", "a.*"],
    ["build/x", "data/build", "data/deep/b.csv", "data/n.log"],
  ],
  [["data/**"], ["a.log", "build/x", "data", "e"]],
  [["**"], []],
];

test("patterns leave out what they mean, at every level or from the root", async () => {
  const root = newFolder();
  makeTree(root, Object.fromEntries(PATTERNS[0]![1].map((path) => [path, path === "e" ? null : path])));
  for (const [ignore, kept] of PATTERNS)
    assert.equal(await entriesOf((await capture(root, { ignore })).directory), kept, ignore.join(" "));
});

test("what is left out is not looked at", async () => {
  const root = newFolder();
  execFileSync("mkfifo", [join(root, "pipe")]);
  makeTree(root, { "folder/x": "1" });
  symlinkSync("/etc", join(root, "folder", "out"));
  assert.equal(await entriesOf((await capture(root, { ignore: ["pipe", "folder/"] })).directory), []);
});

test("patterns that are none are refused", async () => {
  for (const ignore of ["*.log", [1], [""], ["!x"], ["/"], [null], { 0: "x" }])
    await failureWithHint(capture(newFolder(), { ignore: ignore as string[] }), "INVALID_ARGUMENT");
});

test.run();

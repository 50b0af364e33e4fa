import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { SaveDirectoryOptions } from "../../engine/api.ts";
import { LARGE_BYTES_MIN } from "../../engine/directory/read-file.ts";
import { cannotBeRead } from "../../engine/directory/refusal.ts";
import { ANSWERS_MAX, errorOf, failureOf } from "../../engine/directory/second-capture.ts";
import type { TreeSink } from "../../engine/directory/sink.ts";
import type { VarveErrorCode } from "../../engine/errors.ts";
import { VarveError } from "../../engine/errors.ts";
import { removeFolders } from "../helpers/folders.ts";
import { plainCode } from "../helpers/plain-code.ts";
import "../helpers/whole-suites.ts";
import { watchingOpens } from "../large/directories-support.ts";
import type { Captured, Plan } from "./support.ts";
import { capture, makeTree, newFolder } from "./support.ts";

/** Of many entries another thread reads what this one keeps. */
const test = suite("directories: two threads");

/** Compiled: from source there is no second thread. */
const support = plainCode(join(import.meta.dirname, "support.ts"));
const PROGRAM = join(support, "../../../engine/directory/second-capture-program.js");
const program = readFileSync(PROGRAM, "utf8");
const compiled = (await import(support)) as typeof import("./support.ts");

test.after.each(() => {
  writeFileSync(PROGRAM, program);
  removeFolders();
});

const FILES = 4_200;
const settle = () => new Promise((resolve) => setTimeout(resolve, 250));

function planOf(files = FILES): Plan {
  const plan: Plan = {
    large: Buffer.alloc(LARGE_BYTES_MIN + 5, 1),
    "almost-large": Buffer.alloc(LARGE_BYTES_MIN - 1, 2),
    "d0/run": { run: "x" },
    "d0/link": { to: "../large" },
    "d1/empty": null,
    "d1/néw\nline": "odd",
    left: "out",
    "zz/empty": null,
  };
  for (let i = 0; i < files; i++) plan[`d${i % 9}/f${i}`] = `${i} `.repeat(i % 700);
  return plan;
}

function newTree(plan = planOf()): string {
  const root = newFolder();
  makeTree(root, plan);
  return root;
}

/** Saves on two threads. Gives what this one opened, too. */
async function captured(
  root: string,
  options: SaveDirectoryOptions & { before?: Captured } = {},
): Promise<{ tree: Captured; opened: string[] }> {
  const threads = threadCount();
  const opened: string[] = [];
  let tree: Captured | undefined;
  try {
    await watchingOpens(
      root,
      (path) => void opened.push(path),
      async () => {
        tree = await compiled.capture(root, options);
      },
    );
  } finally {
    assert.ok(threadCount() <= threads, "the other thread has ended");
  }
  return { tree: tree!, opened: [...new Set(opened)].sort() };
}

const threadCount = (): number => readdirSync("/proc/self/task").length;
// Threads of the pool come with the first use of it.
await Promise.all(Array.from({ length: 8 }, () => stat("/")));

/** Of the other copy of the code. */
async function failed(call: Promise<unknown>, code: VarveErrorCode): Promise<VarveError> {
  try {
    await call;
  } catch (error) {
    assert.is((error as VarveError).code, code, String(error));
    assert.is((error as VarveError).name, "VarveError");
    return error as VarveError;
  }
  throw new Error(`did not fail with ${code}`);
}

test("a tree of many entries is what one thread makes of it, and only large files are opened by this one", async () => {
  const root = newTree();
  // Of a time that is never settled.
  utimesSync(join(root, "d0/f9"), 1, Date.now() / 1000 + 1e6);
  await settle();
  const options = { ignore: ["left"] };
  const [alone, { tree, opened }] = [await capture(root, options), await captured(root, options)];
  assert.equal([tree.root, tree.stamps], [alone.root, alone.stamps]);
  assert.equal([tree.filesRead, tree.bytesRead], [alone.filesRead, alone.bytesRead]);
  assert.equal(opened, ["large"]);
  assert.equal([...tree.store.files.keys()].sort(), [...alone.store.files.keys()].sort());
  for (const [digest, bytes] of alone.store.files)
    assert.ok(Buffer.compare(bytes, tree.store.files.get(digest)!) === 0);
});

test("again with some changed: those are opened, and no others", async () => {
  const root = newTree();
  await settle();
  const { tree: first } = await captured(root);
  writeFileSync(join(root, "d4/f4"), "changed");
  writeFileSync(join(root, "d4/new"), "new");
  rmSync(join(root, "d5/f5"));
  const { tree, opened } = await captured(root, { before: first });
  assert.equal(opened, ["d4/f4", "d4/new"]);
  assert.equal(tree.root, (await capture(root)).root);
});

test("where most changed the other thread reads, after some answers that were on their way", async () => {
  const plan = planOf(3 * FILES);
  const root = newTree(plan);
  await settle();
  const { tree: first } = await captured(root);
  for (const [path, what] of Object.entries(plan))
    if (typeof what === "string" && /^d\d\/f/.test(path)) writeFileSync(join(root, path), `${what}+`);
  const { tree, opened } = await captured(root, { before: first });
  assert.ok(opened.length > 0 && opened.length < 1.5 * FILES, `${opened.length} opened here`);
  assert.equal(tree.root, (await capture(root)).root);
});

test("where the rest is as it was this thread goes on, from where the other one was", async () => {
  const plan = planOf(3 * FILES);
  const root = newTree(plan);
  await settle();
  const { tree: first } = await captured(root);
  for (const [path, what] of Object.entries(plan))
    if (typeof what === "string" && /^d[01]\/f/.test(path)) writeFileSync(join(root, path), `${what}+`);
  const { tree, opened } = await captured(root, { before: first });
  assert.ok(opened.length < FILES, `${opened.length} opened here`);
  const { filesRead } = tree;
  assert.ok(filesRead > 0.4 * FILES && filesRead < 2.4 * FILES, `${filesRead} read of ${3 * FILES}`);
  assert.equal([tree.root, tree.entryCount], [(await capture(root)).root, first.entryCount]);
});

test("a file that changes while the other thread reads it is never a mixture of times", async () => {
  const root = newTree();
  await settle();
  const changed = join(root, "d4/f4");
  writeFileSync(PROGRAM, `${changing(changed)}\n${program}`);
  const { tree } = await captured(root);
  assert.is(readFileSync(changed, "utf8"), "9 9 9 9 ");
  assert.equal(tree.root, (await capture(root)).root);
});

/** Changes a file, whose size stays, behind the first look at its bytes. */
const changing = (path: string): string => `
  import fs from "node:fs";
  import { syncBuiltinESMExports } from "node:module";
  const { openSync, readSync } = fs;
  const path = ${JSON.stringify(path)};
  let descriptor;
  let isChanged = false;
  fs.openSync = (...given) => {
    const opened = openSync(...given);
    if (given[0] === path) descriptor = opened;
    return opened;
  };
  fs.readSync = (...given) => {
    const length = readSync(...given);
    if (given[0] === descriptor && !isChanged) {
      isChanged = true;
      fs.writeFileSync(path, "9 9 9 9 ");
    }
    return length;
  };
  syncBuiltinESMExports();
`;

test("what can't be kept is told as one thread tells it", async () => {
  const odd: Record<string, (root: string) => unknown> = {
    "a pipe": (root) => execFileSync("mkfifo", [join(root, "d3/pipe")]),
    "a name": (root) =>
      writeFileSync(Buffer.concat([Buffer.from(`${root}/d3/`), Buffer.from([0x61, 0xff])]), ""),
    "a link": (root) => symlinkSync("../../..", join(root, "d3/outward")),
  };
  for (const [what, make] of Object.entries(odd)) {
    const root = newTree();
    make(root);
    const alone = await failed(capture(root), "UNSUPPORTED_VALUE");
    const told = await failed(captured(root), "UNSUPPORTED_VALUE");
    assert.equal([told.message, told.hint, told.details], [alone.message, alone.hint, alone.details], what);
  }
});

test("an error of the operating system comes with what that said", () => {
  const cause = Object.assign(new Error("EIO: i/o error, read"), { code: "EIO" });
  const error = cannotBeRead("d3/f", cause);
  const told = errorOf(structuredClone(failureOf(error)));
  assert.equal(
    [told.code, told.message, told.hint, told.details],
    ["IO", error.message, error.hint, { path: "d3/f" }],
  );
  const { message, code } = told.cause as NodeJS.ErrnoException;
  assert.equal([message, code], [cause.message, "EIO"]);
});

test("a few files are read by this thread", async () => {
  const root = newTree(planOf(100));
  assert.ok((await captured(root)).opened.length > 100);
});

test("the other thread reads no further ahead than a few answers", async () => {
  const root = newTree(planOf(3 * FILES));
  const told = join(newFolder(), "told");
  const writes = `untaken++; (await import("node:fs")).appendFileSync(${JSON.stringify(told)}, "x");`;
  writeFileSync(PROGRAM, program.replace("untaken++;", writes));
  const prototype: TreeSink = compiled.MemoryStore.prototype;
  const { putFile } = prototype;
  let ahead: number | undefined;
  // Waits long enough for all answers to be made, if they were.
  prototype.putFile = function (bytes) {
    if (ahead !== undefined) return putFile.call(this, bytes);
    ahead = 0;
    return new Promise((resolve) => setTimeout(resolve, 700)).then(() => {
      ahead = statSync(told).size;
      return putFile.call(this, bytes);
    });
  };
  await captured(root);
  prototype.putFile = putFile;
  const all = statSync(told).size;
  assert.ok(all > 2 * ANSWERS_MAX, `${all} answers`);
  assert.ok(ahead! <= ANSWERS_MAX + 1, `${ahead} of ${all} answers`);
});

test("a save that is aborted ends with ABORTED, and so does its thread", async () => {
  const root = newTree();
  const abort = new AbortController();
  const onProgress = () => abort.abort();
  await failed(captured(root, { signal: abort.signal, onProgress }), "ABORTED");
  await failed(captured(root, { signal: abort.signal }), "ABORTED");
});

test("a failure of this thread ends the other one", async () => {
  const root = newTree();
  const onProgress = () => {
    throw new VarveError("CONFLICT", "nobody wants to know");
  };
  await failed(captured(root, { onProgress }), "CONFLICT");
});

test("where the other thread can't begin this one does its work", async () => {
  const root = newTree();
  const expected = (await capture(root)).root;
  for (const broken of [undefined, "throw new Error('broken');", "process.exit(1);", "syntax error"]) {
    if (broken === undefined) rmSync(PROGRAM);
    else writeFileSync(PROGRAM, broken);
    const { tree, opened } = await captured(root);
    assert.equal(tree.root, expected, broken);
    assert.ok(opened.length > FILES, `${opened.length} opened here`);
  }
});

test("one that dies in the middle fails the save", async () => {
  const root = newTree();
  const deaths = [
    "process.exit(1);",
    "setImmediate(() => { throw new Error('broken'); }); await new Promise(() => {});",
  ];
  for (const death of deaths) {
    const dies = `untaken++; globalThis.told = 1 + (globalThis.told ?? 0); if (globalThis.told === 3) { ${death} }`;
    writeFileSync(PROGRAM, program.replace("untaken++;", dies));
    const { hint } = await failed(captured(root), "IO");
    assert.match(hint!, /nothing was saved/);
  }
});

test.run();

import { execFileSync } from "node:child_process";
import { rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cannotBeRead } from "../../engine/directory/refusal.ts";
import { ANSWERS_MAX, errorOf, failureOf } from "../../engine/directory/second-capture.ts";
import type { TreeSink } from "../../engine/directory/sink.ts";
import type { VarveErrorCode } from "../../engine/errors.ts";
import { VarveError } from "../../engine/errors.ts";
import { removeFolders } from "../helpers/folders.ts";
import "../helpers/whole-suites.ts";
import {
  captured,
  compiled,
  FILES,
  mend,
  newTree,
  PROGRAM,
  planOf,
  program,
  settle,
} from "./second-thread-support.ts";
import { capture, newFolder } from "./support.ts";

/** Of many entries another thread reads what this one keeps. */
const test = suite("directories: two threads");

test.after.each(() => {
  mend();
  removeFolders();
});

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

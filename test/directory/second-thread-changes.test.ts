import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { removeFolders } from "../helpers/folders.ts";
import "../helpers/whole-suites.ts";
import { captured, FILES, mend, newTree, PROGRAM, planOf, program, settle } from "./second-thread-support.ts";
import { capture, newFolder } from "./support.ts";

/** Of a tree that has changed much, another thread reads what has. */
const test = suite("directories: two threads, and what has changed");

test.after.each(() => {
  mend();
  removeFolders();
});

/** Saved, and changed then. @param isChanged asked of each small file and its number, in the order of paths */
async function changedTree(isChanged: (path: string, i: number) => boolean) {
  const plan = planOf(3 * FILES);
  const root = newTree(plan);
  await settle();
  const { tree: first } = await captured(root);
  const paths = Object.keys(plan).filter((path) => /^d\d\/f/.test(path));
  for (const [i, path] of paths.sort().entries())
    if (isChanged(path, i)) writeFileSync(join(root, path), `${plan[path]}+`);
  return { root, first };
}

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
  const { root, first } = await changedTree(() => true);
  const { tree, opened } = await captured(root, { before: first });
  assert.ok(opened.length > 0 && opened.length < 1.5 * FILES, `${opened.length} opened here`);
  assert.equal(tree.root, (await capture(root)).root);
});

test("where the rest is as it was this thread goes on, from where the other one was", async () => {
  const { root, first } = await changedTree((path) => /^d[01]/.test(path));
  const { tree, opened } = await captured(root, { before: first });
  assert.ok(opened.length < FILES, `${opened.length} opened here`);
  const { filesRead } = tree;
  assert.ok(filesRead > 0.4 * FILES && filesRead < 2.4 * FILES, `${filesRead} read of ${3 * FILES}`);
  assert.equal([tree.root, tree.entryCount], [(await capture(root)).root, first.entryCount]);
});

test("where changed files and others come by turns threads are begun seldom", async () => {
  const { root, first } = await changedTree((_, i) => isOfTurn(i));
  const begun = join(newFolder(), "begun");
  const tells = `(await import("node:fs")).appendFileSync(${JSON.stringify(begun)}, "x");`;
  writeFileSync(PROGRAM, `${tells}\n${program}`);
  const { tree } = await captured(root, { before: first });
  const { length } = readFileSync(begun, "utf8");
  assert.ok(length === 1 || length === 2, `${length} threads`);
  assert.equal(tree.root, (await capture(root)).root);
});

/** Some thousand that have changed and as many that have not, in turns: so that now the ones are more, now the others. */
function isOfTurn(i: number): boolean {
  return i < 1_500 || (i >= 3_500 && i < 4_500) || (i >= 6_000 && i < 8_000) || i >= 10_000;
}

test("what was written just now, and may change yet, is read all the same", async () => {
  const root = newTree();
  const { tree, opened } = await captured(root);
  assert.equal(opened, ["large"]);
  assert.equal(tree.root, (await capture(root)).root);
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

test.run();

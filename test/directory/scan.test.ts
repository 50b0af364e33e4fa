import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compareBytes, keyOf } from "../../engine/directory/entry.ts";
import { IgnoreRules } from "../../engine/directory/ignore.ts";
import { scanTree } from "../../engine/directory/scan.ts";
import { removeFolders } from "../helpers/folders.ts";
import "../helpers/whole-suites.ts";
import { capture, makeTree, newFolder } from "./support.ts";

const test = suite("directories: scans that go on");
test.after.each(removeFolders);

/** Longer than a tick of the file system's clock, and than what is taken for one. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 250));

test("a scan that begins behind an entry finds what comes behind it", async () => {
  const root = newFolder();
  const names = [
    "a",
    "a.b",
    "a0",
    "b/c/d",
    "b/c.d",
    "b/\u{10000}",
    "b/\uffff",
    "b0",
    "c/x/y/z",
    "c/x/y0",
    "d",
  ];
  makeTree(root, {
    ...Object.fromEntries(names.map((name) => [name, name])),
    "b/e": null,
    "c/x/f": null,
    z: null,
  });
  const keysBehind = async (behind?: string) => {
    const keys: string[] = [];
    for await (const batch of scanTree(root, new IgnoreRules(), { behind })) keys.push(...batch.map(keyOf));
    return keys;
  };
  const all = await keysBehind();
  assert.is(all.length, names.length + 3);
  assert.equal(all, [...all].sort(compareBytes));
  for (const [i, key] of all.entries()) assert.equal(await keysBehind(key), all.slice(i + 1), key);
  // What was found last is gone since.
  rmSync(join(root, "b/c"), { recursive: true });
  mkdirSync(join(root, "b/c"));
  assert.equal(await keysBehind("b/c/d"), all.slice(all.indexOf("b/c/d") + 1));
});

test("where most files changed the rest is found behind what was", async () => {
  const root = newFolder();
  const plan = Object.fromEntries(Array.from({ length: 4_200 }, (_, i) => [`d${i % 3}/f${i}`, `${i}`]));
  makeTree(root, plan);
  await settle();
  const before = await capture(root);
  for (const [path, text] of Object.entries(plan)) writeFileSync(join(root, path), `${text}+`);
  const again = await capture(root, { before });
  assert.is(again.filesRead, 4_200);
  assert.equal(again.root, (await capture(root)).root);
});

test.run();

import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import { cutFile, flipByte, marked, segmentsOf } from "../helpers/damage.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { closeAll, openSeamStore, openTestStore } from "../helpers/stores.ts";
import { filledHome } from "./damage-support.ts";

/** What was lost takes its numbers along: none is given again. */
const test = suite("damage: numbers of versions");
test.after.each(closeAll);

test("a version that was lost is not given again, be it the first or the last but one", async () => {
  for (const lost of [0, 1]) {
    const home = newFolder();
    const store = await openTestStore(home);
    for (let version = 0; version < 3; version++) await store.save("x", marked(version));
    await store.close();
    const segment = segmentsOf(home)[0]!;
    flipByte(segment, readFileSync(segment).indexOf(`MARK-000${lost}`) - 10);
    const again = await openTestStore(home);
    await again.rebuildIndex();
    assert.is(await again.has(`x:${lost}`), false);
    assert.is((await again.save("x", "new")).version, 3);
    assert.is(await again.load("x"), "new");
  }
});

/** Of a home of which nothing but the log is left. */
async function openFromLog(home: string): Promise<ArtifactStore> {
  for (const name of readdirSync(home)) if (name !== "log") rmSync(join(home, name), { recursive: true });
  return openTestStore(home);
}

test("a number is not given again where the newest versions of a name were lost, and names that went on go on", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  for (let version = 0; version < 4; version++) await store.save("x", marked(version));
  await store.save("lost", marked(7));
  await store.save("new", marked(8));
  await store.save("x/on", marked(9));
  await store.annotate("x:1", { tags: { after: "the gap" } });
  await store.close();
  const segment = segmentsOf(home)[0]!;
  for (const n of [2, 3, 7]) flipByte(segment, readFileSync(segment).indexOf(`MARK-000${n}`) - 10);
  const again = await openFromLog(home);
  assert.is(await again.has("x:2"), false);
  const { version } = await again.save("x", "new");
  assert.ok(version >= 4 && version < 20, `x:${version}`);
  assert.is((await again.save("x", "newer")).version, version + 1, "one time only");
  assert.is((await again.save("new", 1)).version, 1, "it is newer than the gap");
  const first = await again.save("lost", 1);
  assert.ok(first.version >= 1 && first.version < 20, first.ref);
  await again.close();
  const later = await openFromLog(copyHome(home));
  assert.is((await later.save("x", 1)).version, version + 2);
  assert.is((await later.save("lost", 1)).version, first.version + 1);
});

function swapFiles(a: string, b: string): void {
  renameSync(a, `${a}.swap`);
  renameSync(b, a);
  renameSync(`${a}.swap`, b);
}

function replaceLast(make: (path: string) => void): (segments: string[]) => void {
  return (segments) => {
    rmSync(segments.at(-1)!);
    make(segments.at(-1)!);
  };
}

test("a number is not given again after segments were lost, cut or beheaded", async () => {
  const damages: ((segments: string[]) => void)[] = [
    (segments) => rmSync(segments[1]!),
    (segments) => segments.slice(1, 3).forEach((segment) => void rmSync(segment)),
    (segments) => cutFile(segments[1]!, 300),
    (segments) => flipByte(segments[1]!, 20),
    (segments) => flipByte(segments.at(-1)!, 20),
    (segments) => swapFiles(segments.at(-1)!, segments.at(-2)!),
    (segments) => swapFiles(segments.at(-1)!, segments[0]!),
    (segments) => renameSync(segments.at(-1)!, join(dirname(segments[0]!), "0000000999.varve")),
    replaceLast((path) => symlinkSync("nowhere", path)),
    replaceLast((path) => symlinkSync(path, path)),
    replaceLast((path) => mkdirSync(path)),
  ];
  for (const [i, damage] of damages.entries()) {
    const home = newFolder();
    const store = await openSeamStore(home, { segmentBytesMax: 1500 });
    for (let n = 0; n < 12; n++) await store.save(`x/${Math.floor(n / 2)}`, marked(n));
    await store.save("last", marked(12));
    const given = new Map<string, number>();
    for await (const { name, version } of store.list()) given.set(name, version);
    await store.close();
    damage(segmentsOf(home));
    const again = await openFromLog(home);
    for (const [name, version] of given) {
      const next = await again.save(name, "next");
      assert.ok(next.version > version, `${i}: ${next.ref} was given before`);
    }
  }
});

test("a file that does not belong into the log leaves no gap in the numbers", async () => {
  const home = await filledHome(1500);
  const own = segmentsOf(home);
  const foreign = segmentsOf(await filledHome(600));
  const next = foreign[own.length]!;
  copyFileSync(next, join(home, "log", basename(next)));
  copyFileSync(foreign[0]!, join(home, "log", "0000000100.varve"));
  copyFileSync(own[0]!, join(home, "log", "0000000101.varve"));
  writeFileSync(join(home, "log", "0000000102.varve"), "notes");
  const store = await openFromLog(home);
  assert.is((await store.save("n/3", 1)).version, 1);
  assert.is((await store.save("new", 1)).version, 0);
});

test.run();

import {
  copyFileSync,
  existsSync,
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
import { decodeSegmentHeader, encodeSegmentHeader, FORMAT_VERSION } from "../../engine/log/format.ts";
import { cutFile, damageText, flipByte, segmentsOf, sizeOf } from "../helpers/damage.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { closeAll, openSeamStore, openTestStore } from "../helpers/stores.ts";

const test = suite("damage");
test.after.each(closeAll);

const marked = (n: number) => `MARK-${String(n).padStart(4, "0")}-${"x".repeat(400)}`;

/** Ten artifacts `n/0` … `n/9`, by default in one segment; closed in order. */
async function filledHome(segmentBytesMax?: number): Promise<string> {
  const home = newFolder();
  const store = await openSeamStore(home, segmentBytesMax === undefined ? {} : { segmentBytesMax });
  for (let n = 0; n < 10; n++) await store.save(`n/${n}`, marked(n));
  await store.close();
  return home;
}

/** Everything but the given ones loads rightly, the given ones are CORRUPTION, and saving goes on. */
async function usableBut(store: ArtifactStore, damaged: number[]): Promise<void> {
  for (let n = 0; n < 10; n++) {
    if (damaged.includes(n)) await failureWithHint(store.load(`n/${n}`), "CORRUPTION");
    else assert.is(await store.load(`n/${n}`), marked(n), `n/${n}`);
  }
  const { version } = await store.save("later", "fine");
  assert.is(await store.load(`later:${version}`), "fine");
}

test("a flipped byte in a value is CORRUPTION with its place, and all others load", async () => {
  const home = await filledHome();
  damageText(segmentsOf(home)[0]!, "MARK-0004");
  const store = await openTestStore(home);
  const error = await failureWithHint(store.load("n/4"), "CORRUPTION");
  assert.is(error.details?.segment, 1);
  assert.type(error.details?.offset, "number");
  assert.match(error.message, `${error.details?.offset}`);
  await usableBut(store, [4]);
  assert.is((await store.get("n/4")).name, "n/4", "its facts are still known");
  for (const call of [(await store.get("n/4")).value(), (await store.get("n/4")).bytes()]) {
    await failureWithHint(call, "CORRUPTION");
  }
});

test("verify finds a damaged value once, names the artifact, and rebuilding keeps it found", async () => {
  const home = await filledHome();
  damageText(segmentsOf(home)[0]!, "MARK-0004");
  const store = await openTestStore(home);
  for (let round = 0; round < 2; round++) {
    const report = await store.verify({ full: true });
    assert.is(report.ok, false);
    assert.is(report.problems.length, 1);
    assert.equal(report.problems[0]!.refs, ["n/4:0"]);
    assert.is(report.problems[0]!.segment, 1);
    await usableBut(store, [4]);
    await store.rebuildIndex();
  }
});

test("saving a damaged value again heals it, for older versions too", async () => {
  const home = await filledHome();
  damageText(segmentsOf(home)[0]!, "MARK-0004");
  const store = await openTestStore(home);
  await store.save("again", marked(4));
  assert.is(await store.load("again"), marked(4));
  assert.is(await store.load("n/4"), marked(4));
  await store.rebuildIndex();
  assert.is(await store.load("again"), marked(4));
  assert.is(await store.load("n/4"), marked(4));
});

test("a damaged header of a record is CORRUPTION for that artifact only, while the index is there", async () => {
  const home = await filledHome();
  const segment = segmentsOf(home)[0]!;
  // The blob's header ends with the digest, right before the value.
  flipByte(segment, readFileSync(segment).indexOf("MARK-0004") - 10);
  await usableBut(await openTestStore(home), [4]);
});

test("a damaged batch in the middle is told by verify, and a rebuild loses no other", async () => {
  const home = await filledHome();
  const segment = segmentsOf(home)[0]!;
  flipByte(segment, readFileSync(segment).indexOf("MARK-0004") - 10);
  const store = await openTestStore(home);
  const before = await store.verify();
  assert.is(before.ok, false);
  assert.ok(before.problems.some(({ kind }) => kind === "batch" || kind === "record"));
  await store.rebuildIndex();
  for (let n = 0; n < 10; n++) {
    if (n === 4) await failureWithHint(store.load("n/4"), "NOT_FOUND");
    else assert.is(await store.load(`n/${n}`), marked(n));
  }
  assert.is((await store.verify()).ok, false, "the log is still damaged");
  assert.is((await store.save("n/5", "new")).version, 1);
  await store.close();
  const copy = await openTestStore(copyHome(home));
  assert.is(await copy.load("n/5"), "new");
  assert.is(await copy.load("n/9"), marked(9));
});

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

test("damage of the last but one batch is told even where nothing but the log is left", async () => {
  const home = await filledHome();
  const segment = segmentsOf(home)[0]!;
  flipByte(segment, readFileSync(segment).indexOf("MARK-0008") - 10);
  for (const name of readdirSync(home)) if (name !== "log") rmSync(join(home, name), { recursive: true });
  const store = await openTestStore(home);
  assert.is(await store.load("n/9"), marked(9));
  assert.is(await store.load("n/7"), marked(7));
  assert.is((await store.verify()).ok, false);
});

test("a value whose batch was lost can be saved again, and everything that has it be deleted", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  const shared = Buffer.alloc(600, "SHARED--");
  for (const name of ["lost", "b", "c"]) await store.save(name, shared);
  await store.close();
  const segment = segmentsOf(home)[0]!;
  flipByte(segment, readFileSync(segment).indexOf("SHARED--") - 10);
  const again = await openTestStore(home);
  await again.rebuildIndex();
  await failureWithHint(again.load("b"), "CORRUPTION");
  assert.is((await again.get("b")).ref, "b:0");
  const { ref } = await again.save("d", shared);
  for (const name of ["b", "c", "d"]) assert.ok(shared.equals(await again.load<Uint8Array>(name)), name);
  for (const each of ["b:0", "c:0", ref]) await again.delete(each);
  await again.rebuildIndex();
  assert.is((await again.stats()).versions, 0);
  await again.undelete("b:0");
  assert.ok(shared.equals(await again.load<Uint8Array>("b")));
});

test("a truncated segment loses what was cut, tells so, and the rest goes on", async () => {
  const home = await filledHome(1500);
  const segments = segmentsOf(home);
  assert.ok(segments.length >= 3);
  const first = segments[0]!;
  cutFile(first, sizeOf(first) - 100);
  const store = await openTestStore(home);
  const lost: number[] = [];
  for (let n = 0; n < 10; n++) {
    const value = await store.load(`n/${n}`).catch((error) => error.code);
    if (value !== marked(n)) {
      assert.is(value, "CORRUPTION");
      lost.push(n);
    }
  }
  assert.is(lost.length, 0 + (lost.length > 0 ? 1 : 0), `only the last of the segment: ${lost}`);
  assert.is((await store.verify()).ok, false);
  await store.save("later", 1);
  await store.close();
  const copy = await openTestStore(copyHome(home));
  assert.is(await copy.load("later"), 1);
  for (let n = 3; n < 10; n++) assert.is(await copy.load(`n/${n}`), marked(n));
});

test("a truncated newest segment is never overwritten, and its loss is told", async () => {
  const home = await filledHome();
  const [segment] = segmentsOf(home);
  cutFile(segment!, sizeOf(segment!) - 100);
  const before = readFileSync(segment!);
  const store = await openTestStore(home);
  await failureWithHint(store.load("n/9"), "CORRUPTION").catch(async () => {
    // The last bytes may be those of the record behind the value.
    assert.is(await store.load("n/9"), marked(9));
  });
  assert.is((await store.verify()).ok, false);
  assert.is((await store.save("later", 1)).version, 0);
  assert.is(await store.load("later"), 1);
  for (let n = 0; n < 9; n++) assert.is(await store.load(`n/${n}`), marked(n));
  assert.equal(readFileSync(segment!), before);
  await store.close();
  const again = await openTestStore(home);
  assert.is(await again.load("later"), 1);
  await again.rebuildIndex();
  assert.is(await again.load("later"), 1);
  assert.is(await again.load("n/8"), marked(8));
});

test("a missing segment is CORRUPTION for what lay in it, and the rest goes on", async () => {
  const home = await filledHome(1500);
  const segments = segmentsOf(home);
  const kept = join(newFolder(), "kept");
  renameSync(segments[1]!, kept);
  const store = await openTestStore(home);
  const lost: number[] = [];
  for (let n = 0; n < 10; n++) {
    const value = await store.load(`n/${n}`).catch((error) => error.code);
    if (value === "CORRUPTION") lost.push(n);
    else assert.is(value, marked(n));
  }
  assert.ok(lost.length > 0 && lost.length < 6, `${lost}`);
  assert.is((await store.verify()).ok, false);
  assert.is((await store.save("later", 1)).version, 0);
  await store.close();
  const copy = await openTestStore(copyHome(home));
  for (let n = 0; n < 10; n++) if (!lost.includes(n)) assert.is(await copy.load(`n/${n}`), marked(n));
  await copy.close();
  renameSync(kept, segments[1]!);
  const whole = await openTestStore(home);
  for (let n = 0; n < 10; n++) assert.is(await whole.load(`n/${n}`), marked(n));
  assert.ok((await whole.verify()).ok);
});

test("a missing newest segment is told, and a new one takes the next number", async () => {
  const home = await filledHome(1500);
  const last = segmentsOf(home).at(-1)!;
  rmSync(last);
  const store = await openTestStore(home);
  assert.is((await store.verify()).ok, false);
  await store.save("later", 1);
  assert.is(await store.load("later"), 1);
  assert.is(await store.load("n/0"), marked(0));
});

test("a foreign file in the log is reported and left alone", async () => {
  const home = await filledHome();
  const other = await filledHome();
  const foreign = join(home, "log", "0000000002.varve");
  copyFileSync(segmentsOf(other)[0]!, foreign);
  const bytes = readFileSync(foreign);
  const store = await openTestStore(home);
  await usableBut(store, []);
  assert.is((await store.verify()).ok, false);
  assert.equal(readFileSync(foreign), bytes);
  await store.close();
  const copy = await openTestStore(copyHome(home));
  await usableBut(copy, []);
  await copy.close();
  const again = await openTestStore(home);
  await again.rebuildIndex();
  await usableBut(again, []);
});

test("a segment of the same store under a wrong number is not taken for one of the log", async () => {
  const home = await filledHome();
  copyFileSync(segmentsOf(home)[0]!, join(home, "log", "0000000002.varve"));
  const store = await openTestStore(home);
  await store.rebuildIndex();
  await usableBut(store, []);
  assert.is((await store.stats()).versions, 11);
});

test("something that only looks like a segment by its name is reported", async () => {
  const home = await filledHome();
  copyFileSync(segmentsOf(home)[0]!, join(home, "log", "0000000003.varve"));
  writeFileSync(join(home, "log", "0000000007.varve"), "notes");
  writeFileSync(join(home, "log", "notes.varve"), "notes");
  const store = await openTestStore(home);
  await usableBut(store, []);
  const report = await store.verify();
  assert.is(report.ok, false);
  await store.close();
  await usableBut(await openTestStore(copyHome(home)), []);
});

test("a segment of a newer format is NOT_SUPPORTED, and nothing is changed", async () => {
  const home = copyHome(await filledHome());
  const segment = segmentsOf(home)[0]!;
  const bytes = readFileSync(segment);
  const header = decodeSegmentHeader(bytes, segment);
  encodeSegmentHeader({ ...header, formatVersion: FORMAT_VERSION + 1 }).copy(bytes, 0);
  writeFileSync(segment, bytes);
  for (const readOnly of [false, true]) {
    const error = await failureWithHint(openTestStore(home, { readOnly }), "NOT_SUPPORTED");
    assert.match(error.message, "newer");
  }
  assert.equal(readFileSync(segment), bytes);
});

test("a log without any readable header is CORRUPTION, and nothing new is begun over it", async () => {
  const home = copyHome(await filledHome());
  const segment = segmentsOf(home)[0]!;
  flipByte(segment, 3);
  const bytes = readFileSync(segment);
  for (const readOnly of [false, true])
    await failureWithHint(openTestStore(home, { readOnly }), "CORRUPTION");
  assert.equal(readFileSync(segment), bytes);
  assert.is(segmentsOf(home).length, 1);
});

test("a damaged header of one of several segments hides only what is in it", async () => {
  const home = copyHome(await filledHome(1500));
  const segments = segmentsOf(home);
  flipByte(segments[1]!, 20);
  const store = await openTestStore(home);
  assert.is(await store.load("n/0"), marked(0));
  assert.is(await store.load("n/9"), marked(9));
  assert.is((await store.verify()).ok, false);
  await store.save("later", 1);
  assert.is(await store.load("later"), 1);
});

test("a first segment whose header is damaged does not make the store another one", async () => {
  const home = copyHome(await filledHome(1500));
  const { id } = await openTestStore(home);
  await closeAllBut(home);
  flipByte(segmentsOf(home)[0]!, 20);
  const store = await openTestStore(copyHome(home));
  assert.is(store.id, id);
  assert.is(await store.load("n/9"), marked(9));
});

/** Closes the store of `home`, keeping its folder. */
async function closeAllBut(home: string): Promise<void> {
  const store = await openTestStore(home);
  await store.close();
}

test("whatever byte of a log is flipped, no wrong value is ever given", async () => {
  const home = newFolder();
  const store = await openSeamStore(home, { segmentBytesMax: 1200 });
  for (let n = 0; n < 6; n++) await store.save(`n/${n % 3}`, { n, text: "t".repeat(50 * n) });
  await store.setAlias("n/0", "x", 0);
  await store.delete("n/1:0");
  await store.close();
  const right = new Map<string, unknown>();
  const whole = await openTestStore(copyHome(home));
  for await (const artifact of whole.list({ allVersions: true }))
    right.set(artifact.ref, await artifact.value());
  for (const segment of segmentsOf(home)) {
    const intact = readFileSync(segment);
    for (let at = 1; at < intact.length; at += 37) {
      flipByte(segment, at);
      const copy = copyHome(home);
      try {
        const damaged = await openTestStore(copy, { readOnly: true });
        for (const [ref, value] of right) {
          const got = await damaged.load(ref).catch((error) => {
            assert.ok(["CORRUPTION", "NOT_FOUND"].includes(error.code), `${at}: ${error.code}`);
            return value;
          });
          assert.equal(got, value, `${segment} ${at}`);
        }
        await damaged.close();
      } catch (error) {
        const { code } = error as { code: string };
        if (!["CORRUPTION", "NOT_SUPPORTED", "INVALID_ARGUMENT"].includes(code)) throw error;
      } finally {
        writeFileSync(segment, intact);
        rmSync(dirname(copy), { recursive: true });
      }
    }
  }
  assert.ok(existsSync(home));
});

test.run();

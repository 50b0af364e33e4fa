import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nodeFileSystem } from "../../engine/log/file.ts";
import type { SegmentHeader } from "../../engine/log/format.ts";
import { encodeSegmentHeader, FORMAT_VERSION, FORMAT_VERSION_WRITTEN } from "../../engine/log/format.ts";
import {
  isSuperseded,
  listSegments,
  listSuperseded,
  nextNumber,
  nextRewrittenId,
  segmentFileName,
  segmentGeneration,
  segmentId,
  segmentNumber,
  segmentPath,
  segmentText,
} from "../../engine/log/segment.ts";
import { segmentOfName } from "../../engine/log/segment-id.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { newFolder, removeFolders } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { identity } from "./support.ts";

const test = suite("segments in effect");
test.after.each(removeFolders);

/** Of a segment that says nothing but which it is. */
const headerOf = (number: number, generation: number): SegmentHeader => ({
  formatVersion: generation === 0 ? FORMAT_VERSION_WRITTEN : FORMAT_VERSION,
  number,
  generation,
  previousNumber: number - 1,
  previousEnd: 0,
  previousChain: 0n,
  previousSequence: 0,
  salt: 1n,
  createdAt: 0,
  ...identity,
});

/** A file with nothing but a header. */
function place(
  folder: string,
  number: number,
  generation = 0,
  lastNumber = number,
  storeId?: string,
): number {
  const id = segmentId(number, generation);
  const header = { ...headerOf(number, generation), ...(storeId && { storeId }) };
  if (generation > 0) header.rewritten = { lastNumber, endChain: 0n, endSequence: 0, bytes: 128 };
  writeFileSync(segmentPath(folder, id), encodeSegmentHeader(header));
  return id;
}

const inEffect = (folder: string) => listSegments(nodeFileSystem, folder, identity).map(segmentText);
const besides = (folder: string) => listSuperseded(nodeFileSystem, folder, identity).map(segmentText);

test("an id is a number and a generation, sorts as the log does, and has a name of its own", () => {
  const names = new Set<string>();
  const ids: number[] = [];
  for (const number of [1, 2, 3, 1_000_000, 2 ** 32 - 2, 2 ** 32 - 1]) {
    for (const generation of [0, 1, 2, 999_999, 1_000_000, 2 ** 20 - 1]) {
      const id = segmentId(number, generation);
      assert.is(segmentNumber(id), number);
      assert.is(segmentGeneration(id), generation);
      assert.is(segmentOfName(segmentFileName(id)), id);
      names.add(segmentFileName(id));
      ids.push(id);
    }
  }
  assert.is(names.size, ids.length);
  assert.equal(
    ids,
    [...ids].sort((a, b) => a - b),
  );
  assert.is(segmentId(7, 0), 7);
  assert.is(segmentFileName(7), "0000000007.varve");
  assert.is(segmentFileName(segmentId(7, 2)), "0000000007-000002.varve");
  assert.is(segmentText(segmentId(7, 2)), "segment 7 of generation 2");
});

test("files of other names are somebody else's", () => {
  for (const name of [
    "1.varve",
    "0000000001.varve.bak",
    "0000000001-1.varve",
    "0000000001-000000.varve",
    "0000000001-0000001.varve",
    "0000000001-1048576.varve",
    "0000000001-000001-000002.varve",
    "new-0123456789ab.tmp",
  ])
    assert.is(segmentOfName(name), undefined, name);
});

test("a rewritten segment stands for all that it says, and the highest generation counts", () => {
  const folder = newFolder();
  for (const number of [1, 2, 3, 4, 5]) place(folder, number);
  assert.equal(inEffect(folder), ["segment 1", "segment 2", "segment 3", "segment 4", "segment 5"]);
  place(folder, 2, 1, 4);
  assert.equal(inEffect(folder), ["segment 1", "segment 2 of generation 1", "segment 5"]);
  assert.equal(besides(folder), ["segment 2", "segment 3", "segment 4"]);
  place(folder, 1, 2, 4);
  assert.equal(inEffect(folder), ["segment 1 of generation 2", "segment 5"]);
  const left = ["segment 1", "segment 2", "segment 2 of generation 1", "segment 3", "segment 4"];
  assert.equal(besides(folder), left);
  for (const number of [1, 2, 3, 4]) rmSync(segmentPath(folder, number));
  assert.equal(inEffect(folder), ["segment 1 of generation 2", "segment 5"]);
});

test("one without a readable header counts only where there is no other of its number", () => {
  const folder = newFolder();
  for (const number of [1, 2, 3]) place(folder, number);
  const id = place(folder, 1, 1, 2);
  const path = segmentPath(folder, id);
  writeFileSync(path, "VARVELOG");
  assert.equal(inEffect(folder), ["segment 1", "segment 2", "segment 3"]);
  assert.equal(besides(folder), ["segment 1 of generation 1"]);
  rmSync(segmentPath(folder, 1));
  assert.equal(inEffect(folder), ["segment 1 of generation 1", "segment 2", "segment 3"]);
  place(folder, 1, 2, 2);
  assert.equal(inEffect(folder), ["segment 1 of generation 2", "segment 3"]);
  rmSync(path);
  mkdirSync(path);
  rmSync(segmentPath(folder, segmentId(1, 2)));
  assert.equal(inEffect(folder), ["segment 1 of generation 1", "segment 2", "segment 3"]);
});

test("a header that is another's says nothing: other number, generation or store", () => {
  for (const place3 of [
    (folder: string) =>
      renameSync(segmentPath(folder, place(folder, 2, 2, 3)), segmentPath(folder, segmentId(2, 1))),
    (folder: string) =>
      renameSync(segmentPath(folder, place(folder, 1, 1, 3)), segmentPath(folder, segmentId(2, 1))),
    (folder: string) => place(folder, 2, 1, 3, "f".repeat(32)),
    (folder: string) => place(folder, 2, 1, 1),
  ]) {
    const folder = newFolder();
    for (const number of [1, 2, 3]) place(folder, number);
    place3(folder);
    assert.equal(inEffect(folder), ["segment 1", "segment 2", "segment 3"]);
  }
});

test("a rewritten segment of a newer format stops with NOT_SUPPORTED", async () => {
  const folder = newFolder();
  const path = segmentPath(folder, place(folder, 1, 1));
  const header = { ...headerOf(1, 1), formatVersion: FORMAT_VERSION + 1 };
  writeFileSync(path, encodeSegmentHeader(header));
  await failureWithHint(() => inEffect(folder), "NOT_SUPPORTED");
});

test("a new segment has a number that nobody stands for, or may stand for", () => {
  const folder = newFolder();
  assert.is(nextNumber(nodeFileSystem, folder, 0), 1);
  place(folder, 1);
  assert.is(nextNumber(nodeFileSystem, folder, 1), 2);
  assert.is(nextNumber(nodeFileSystem, folder, 7), 8);
  const id = place(folder, 1, 1, 5);
  assert.is(nextNumber(nodeFileSystem, folder, id), 6);
  writeFileSync(segmentPath(folder, id), "");
  assert.ok(nextNumber(nodeFileSystem, folder, 1) > 5);
});

test("what is rewritten gets a higher generation than all that may stand for one of its numbers", () => {
  const folder = newFolder();
  for (const number of [1, 2, 3, 4, 5]) place(folder, number);
  const next = (first: number, last: number) =>
    segmentText(nextRewrittenId(nodeFileSystem, folder, first, last));
  assert.is(next(1, 2), "segment 1 of generation 1");
  const low = place(folder, 1, 1, 2);
  const high = place(folder, 3, 3, 4);
  assert.is(next(low, low), "segment 1 of generation 2");
  assert.is(next(low, high), "segment 1 of generation 4");
  assert.is(next(5, 5), "segment 5 of generation 1");
  // Nobody knows for how many it stands.
  writeFileSync(segmentPath(folder, high), "");
  assert.is(next(5, 5), "segment 5 of generation 4");
  assert.is(next(low, low), "segment 1 of generation 2");
});

test("whatever files there are: of each number one at most counts, and no segment goes that nobody stands for", () => {
  const random = new Random("segments in effect");
  for (let round = 0; round < 100; round++) {
    const folder = newFolder();
    const lasts = new Map<number, number>();
    for (let i = random.below(8) + 1; i > 0; i--) {
      const [number, generation] = [random.below(6) + 1, random.below(4)];
      const last = generation === 0 ? number : number + random.below(3);
      const id = place(folder, number, generation, last);
      const isDamaged = generation > 0 && random.below(4) === 0;
      if (isDamaged) writeFileSync(segmentPath(folder, id), "x");
      lasts.set(id, isDamaged ? number : last);
    }
    const what = readdirSync(folder).join(" ");
    const counting = listSegments(nodeFileSystem, folder, identity);
    const others = listSuperseded(nodeFileSystem, folder, identity);
    assert.equal(
      [...counting, ...others].sort((a, b) => a - b),
      [...lasts.keys()].sort((a, b) => a - b),
      what,
    );
    const standing = (number: number) =>
      counting.filter((id) => segmentNumber(id) <= number && number <= lasts.get(id)!);
    for (let number = 1; number <= 8; number++) assert.ok(standing(number).length <= 1, what);
    for (const id of others) {
      const [other] = standing(segmentNumber(id));
      if (segmentGeneration(id) === 0) assert.ok(other !== undefined, what);
      const isTold = isSuperseded(nodeFileSystem, folder, id, identity);
      if (isTold) assert.ok(segmentGeneration(other!) > segmentGeneration(id), what);
    }
    removeFolders();
  }
});

test.run();

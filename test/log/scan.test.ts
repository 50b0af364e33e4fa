import { copyFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { encodeSegmentHeader, FORMAT_VERSION } from "../../engine/log/format.ts";
import { createSegment, LOG_START } from "../../engine/log/segment.ts";
import { flipByte } from "../helpers/damage.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { closeAll } from "../helpers/stores.ts";
import { HandmadeLog, identity } from "./support.ts";

const test = suite("reading the log");
test.after.each(closeAll);

/** Batches "0" … "4" in one segment, each written when the one before it was durable. */
function five(): HandmadeLog {
  const log = new HandmadeLog();
  for (let i = 0; i < 5; i++) log.add(`${i}`.repeat(100));
  return log;
}

const firsts = (texts: string[]) => texts.map((text) => text[0]);

test("all batches in order, with their ends", () => {
  const log = five();
  const { batches, problems, end } = log.scan();
  assert.equal(
    batches.map((batch) => batch.end),
    log.ends.slice(1),
  );
  assert.equal(problems, []);
  assert.equal(end, { position: log.end, torn: false });
  assert.is(batches[0]!.records[0]!.header.tag, 7);
  assert.ok(batches.every(({ records }) => records.every(({ sound }) => sound)));
});

test("from any batch on", () => {
  const log = five();
  for (const [i, from] of log.ends.entries()) {
    const { batches } = log.scan(i === 0 ? LOG_START : from);
    assert.is(batches.length, 5 - i);
  }
});

test("a truncated trailing batch is ignored, wherever it is cut", () => {
  const log = five();
  const last = log.ends[4]!.offset;
  for (let size = last + 1; size < log.end.offset; size += 7) {
    const bytes = readFileSync(log.path());
    truncateSync(log.path(), size);
    const { batches, problems, end } = log.scan();
    assert.is(batches.length, 4, `${size}`);
    assert.equal(problems, []);
    assert.equal(end, { position: log.ends[4], torn: true });
    writeFileSync(log.path(), bytes);
  }
});

test("a truncated trailing batch that is known to have been durable is damage", () => {
  const log = five();
  truncateSync(log.path(), log.end.offset - 8);
  const { batches, problems } = log.scan(LOG_START, 5);
  assert.is(batches.length, 4);
  const told = problems.map(({ kind, segment, offset }) => [kind, segment, offset]);
  const { offset } = log.ends[4]!;
  assert.equal(told, [
    ["batch", 1, offset],
    ["missing", 1, offset],
  ]);
});

test("a log cut between two batches is damage too where more is known to have been there", () => {
  const log = five();
  truncateSync(log.path(), log.ends[4]!.offset);
  assert.equal(
    log.scan(LOG_START, 5).problems.map(({ kind }) => kind),
    ["missing"],
  );
  assert.equal(log.scan(LOG_START, 4).problems, []);
});

test("a zero-filled tail is a torn end", () => {
  const log = five();
  log.append(Buffer.alloc(5000));
  const { batches, problems, end } = log.scan();
  assert.is(batches.length, 5);
  assert.equal(problems, []);
  assert.equal(end, { position: log.end, torn: true });
});

test("a batch that does not chain is not followed", () => {
  const log = five();
  const other = { ...log.end, chain: log.end.chain + 1n };
  log.append(log.lay("stranger", other).bytes);
  const { batches, end } = log.scan();
  assert.is(batches.length, 5);
  assert.is(end.torn, true);
});

test("a batch whose number does not follow is not taken", () => {
  const log = five();
  log.append(log.lay("skipped", { ...log.end, sequence: log.end.sequence + 1 }).bytes);
  assert.is(log.scan().batches.length, 5);
  const again = five();
  again.append(again.lay("old", { ...again.end, sequence: again.end.sequence - 1 }).bytes);
  assert.is(again.scan().batches.length, 5);
});

test("a damaged batch in the middle is damage when a later one says that it was durable, and the rest is found", () => {
  for (let damaged = 0; damaged < 4; damaged++) {
    for (const inside of [0, 8, 60, 64, 90, 110]) {
      const log = five();
      flipByte(log.path(), log.ends[damaged]!.offset + inside);
      const { problems, end } = log.scan();
      assert.equal(
        firsts(log.texts()),
        ["0", "1", "2", "3", "4"].filter((_, i) => i !== damaged),
        `${damaged} ${inside}`,
      );
      assert.is(problems.length, 1);
      assert.is(problems[0]!.offset, log.ends[damaged]!.offset);
      assert.equal(end, { position: log.end, torn: false });
    }
  }
});

test("a later batch need not be the next one to say what was durable", () => {
  const log = new HandmadeLog();
  log.add("0");
  log.durable = 1;
  for (const text of ["1", "2", "3"]) log.add(text);
  log.durable = 4;
  log.add("4");
  flipByte(log.path(), log.ends[1]!.offset + 70);
  assert.equal(log.texts(), ["0", "2", "3", "4"]);
});

test("what follows a batch that nobody calls durable is a torn end: a power cut may leave the later part of a write", () => {
  const log = new HandmadeLog();
  log.add("0");
  log.durable = 1;
  for (const text of ["1", "2", "3"]) log.add(text);
  flipByte(log.path(), log.ends[1]!.offset + 70);
  const { batches, problems, end } = log.scan();
  assert.is(batches.length, 1);
  assert.equal(problems, []);
  assert.equal(end, { position: log.ends[1], torn: true });
});

test("several damaged places are all found", () => {
  const log = five();
  for (const i of [0, 2]) flipByte(log.path(), log.ends[i]!.offset + 5);
  assert.equal(firsts(log.texts()), ["1", "3", "4"]);
  assert.is(log.scan().problems.length, 2);
});

test("a damaged payload leaves its batch whole, and is marked", () => {
  const log = five();
  flipByte(log.path(), readFileSync(log.path()).indexOf("2222") + 1);
  const { batches, problems } = log.scan();
  assert.is(batches.length, 5);
  assert.equal(problems, []);
  assert.equal(
    batches[2]!.records.map(({ sound }) => sound),
    [false, true],
  );
});

test("a store saved inside a store is not taken for its records", () => {
  const inner = five();
  const log = new HandmadeLog();
  log.add("0");
  log.add(readFileSync(inner.path()).toString("latin1"));
  log.add("2");
  flipByte(log.path(), log.ends[1]!.offset + 5);
  assert.equal(firsts(log.texts()), ["0", "2"]);
});

test("a chain goes on over segments", () => {
  const log = five();
  log.roll();
  log.add("5");
  log.roll();
  log.roll();
  log.add("6");
  assert.equal(firsts(log.texts()), ["0", "1", "2", "3", "4", "5", "6"]);
  const { problems, end } = log.scan();
  assert.equal(problems, []);
  assert.equal(end.position, log.end);
});

test("a successor cuts: what stands behind the place that it names does not count", () => {
  const log = five();
  const cut = log.ends[3]!;
  log.roll(cut);
  log.add("5");
  const { batches, problems } = log.scan();
  assert.equal(
    batches.map(({ header }) => header.sequence),
    [1, 2, 3, 4],
  );
  assert.equal(firsts(log.texts()), ["0", "1", "2", "5"]);
  assert.equal(problems, []);
});

test("before a successor's cut everything was durable: a bad place is damage, also the last", () => {
  const log = five();
  log.roll();
  log.add("5");
  flipByte(log.path(1), log.ends[4]!.offset + 5);
  assert.equal(firsts(log.texts()), ["0", "1", "2", "3", "5"]);
  assert.is(log.scan().problems.filter(({ kind }) => kind === "batch").length, 1);
});

test("a segment shorter than its successor says is damage", () => {
  const log = five();
  log.roll();
  log.add("5");
  truncateSync(log.path(1), log.ends[4]!.offset);
  assert.equal(firsts(log.texts()), ["0", "1", "2", "3", "5"]);
  assert.ok(log.scan().problems.some(({ kind, segment }) => kind === "segment" && segment === 1));
});

test("a missing segment is damage, and the scan goes on behind it", () => {
  const log = five();
  log.roll();
  log.add("5");
  log.roll();
  log.add("6");
  rmSync(log.path(2));
  assert.equal(firsts(log.texts()), ["0", "1", "2", "3", "4", "6"]);
  assert.ok(log.scan().problems.length > 0);
});

test("a segment with a damaged header is damage, and the scan goes on behind it", () => {
  const log = five();
  log.roll();
  log.add("5");
  log.roll();
  log.add("6");
  flipByte(log.path(2), 30);
  assert.equal(firsts(log.texts()), ["0", "1", "2", "3", "4", "6"]);
  assert.ok(log.scan().problems.some(({ segment }) => segment === 2));
});

test("a foreign segment is a problem, and nothing of it is read", () => {
  const log = five();
  const other = new HandmadeLog();
  createSegment(nodeFileSystem, other.folder, 2, LOG_START, { ...identity, storeId: "f".repeat(32) }, 1);
  copyFileSync(other.path(2), log.path(2));
  assert.equal(firsts(log.texts()), ["0", "1", "2", "3", "4"]);
  assert.ok(log.scan().problems.some(({ segment }) => segment === 2));
});

test("a segment of a newer format stops the reading with NOT_SUPPORTED", async () => {
  const log = five();
  const header = {
    formatVersion: FORMAT_VERSION + 1,
    number: 2,
    generation: 0,
    previousNumber: 1,
    previousEnd: log.end.offset,
    previousChain: log.end.chain,
    previousSequence: 5,
    salt: 1n,
    createdAt: 0,
    ...identity,
  };
  writeFileSync(log.path(2), encodeSegmentHeader(header));
  await failureWithHint(() => log.scan(), "NOT_SUPPORTED");
});

test("files that are no segments are left out", () => {
  const log = five();
  for (const name of ["notes.txt", "1.varve", "0000000001.varve.bak", "new-abc.tmp"]) {
    writeFileSync(`${log.folder}/${name}`, "x");
  }
  assert.is(log.scan().batches.length, 5);
});

test("payloads larger than the reading window are checked piece by piece", () => {
  const log = new HandmadeLog();
  log.add("a");
  log.add("b".repeat(3_000_000));
  log.add("c");
  assert.equal(firsts(log.texts()), ["a", "b", "c"]);
  flipByte(log.path(), log.ends[1]!.offset + 2_500_000);
  assert.equal(log.scan().batches[1]!.records[0]!.sound, false);
});

test.run();

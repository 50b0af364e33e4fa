import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { decodeSegmentHeader } from "../../engine/log/format.ts";
import { LogWriter } from "../../engine/log/writer.ts";
import { failure } from "../helpers/errors.ts";
import { systemError, WatchedFiles } from "../helpers/files.ts";
import { closeAll, track } from "../helpers/stores.ts";
import { HandmadeLog, identity } from "./support.ts";

const test = suite("writing the log");
test.after.each(closeAll);

function writerOn(log: HandmadeLog, files = new WatchedFiles()) {
  const writer = new LogWriter(files, log.folder, identity);
  track({ close: async () => writer.close() });
  return { writer, files };
}

test("rolling syncs the old segment, then makes the new one, synced, under its name, and syncs the folder", () => {
  const log = new HandmadeLog();
  log.add("0");
  const { writer, files } = writerOn(log);
  writer.open(log.end);
  const start = writer.roll(log.end, 5);
  assert.equal(start, { ...log.end, segment: 2, offset: 128 });
  assert.equal(files.calls, [
    "sync 0000000001.varve",
    "append new.tmp",
    "sync new.tmp",
    "publish 0000000002.varve",
    `syncFolder ${log.folder.slice(log.folder.lastIndexOf("/") + 1)}`,
  ]);
  const header = decodeSegmentHeader(readFileSync(log.path(2)), "2");
  assert.equal(
    [header.previousNumber, header.previousEnd, header.previousChain, header.previousSequence],
    [1, log.end.offset, log.end.chain, 1],
  );
  assert.is.not(header.salt, log.salt);
});

test("rolling never takes a number that is there already", () => {
  const log = new HandmadeLog();
  writeFileSync(log.path(7), "somebody's");
  const { writer } = writerOn(log);
  writer.open(log.end);
  assert.is(writer.roll(log.end, 5).segment, 8);
  assert.is(readFileSync(log.path(7), "utf8"), "somebody's");
});

test("a failed making of a segment leaves no file behind, and the old one open", () => {
  const log = new HandmadeLog();
  const { writer, files } = writerOn(log);
  writer.open(log.end);
  files.onAppend = () => {
    throw systemError("ENOSPC", "write");
  };
  assert.throws(() => writer.roll(log.end, 5), /ENOSPC/);
  files.onAppend = undefined;
  assert.equal(files.list(log.folder), ["0000000001.varve"]);
  assert.is(writer.segment, 1);
  assert.is(writer.roll(log.end, 5).segment, 2);
});

test("a sync that fails before rolling leaves the outcome open, and makes no segment", async () => {
  const log = new HandmadeLog();
  const { writer, files } = writerOn(log);
  writer.open(log.end);
  files.onSync = () => {
    throw systemError("EIO", "fdatasync");
  };
  const error = await failure(() => writer.roll(log.end, 5), "IO");
  assert.is(error.outcome, "unknown");
  assert.equal(files.list(log.folder), ["0000000001.varve"]);
});

test("an append that does not end where it should is reported, since another one wrote", async () => {
  const log = new HandmadeLog();
  const { writer } = writerOn(log);
  writer.open(log.end);
  const { bytes, end } = log.lay("0");
  log.append(Buffer.alloc(8));
  const error = await failure(() => writer.append([bytes], log.end, end), "IO");
  assert.is(error.outcome, "unknown");
});

test("a segment of another store is not opened for writing", async () => {
  const log = new HandmadeLog();
  const writer = new LogWriter(new WatchedFiles(), log.folder, { ...identity, storeId: "e".repeat(32) });
  await failure(() => writer.open(log.end), "CORRUPTION");
  assert.ok(join(log.folder));
});

test.run();

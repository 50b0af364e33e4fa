import { readFileSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { RecordKind } from "../../engine/log/format.ts";
import { LogReader } from "../../engine/log/reader.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { WatchedFiles } from "../helpers/files.ts";
import { closeAll, track } from "../helpers/stores.ts";
import { HandmadeLog, identity } from "./support.ts";

const test = suite("reading records");
test.after.each(closeAll);

function readerOn(log: HandmadeLog, files = nodeFileSystem): LogReader {
  const reader = new LogReader(files, log.folder, identity);
  track({ close: async () => reader.close() });
  return reader;
}

for (const size of [10, 200_000]) {
  test(`a record of ${size} bytes is given only under its own key, kind and length`, async () => {
    const log = new HandmadeLog();
    log.add("x".repeat(size));
    const reader = readerOn(log);
    const [, put] = log.scan().batches[0]!.records;
    const place = { segment: 1, offset: put!.offset, payloadLength: size };
    const key = Buffer.from("key0");
    assert.is((await reader.read(place, RecordKind.put, key)).toString(), "x".repeat(size));
    const wrong: [object, RecordKind, string][] = [
      [{}, RecordKind.put, "key1"],
      [{}, RecordKind.put, "key00"],
      [{}, RecordKind.blob, "key0"],
      [{ payloadLength: size - 1 }, RecordKind.put, "key0"],
      [{ payloadLength: size + 1 }, RecordKind.put, "key0"],
      [{ offset: put!.offset + 8 }, RecordKind.put, "key0"],
      [{ offset: 10_000_000 }, RecordKind.put, "key0"],
      [{ segment: 2 }, RecordKind.put, "key0"],
    ];
    for (const [change, kind, name] of wrong) {
      const call = async () => reader.read({ ...place, ...change }, kind, Buffer.from(name));
      const error = await failureWithHint(call, "CORRUPTION");
      assert.type(error.details?.segment, "number");
    }
  });
}

test("neighbours are read one behind the other, each only under its own digest, place and length", async () => {
  const log = new HandmadeLog();
  const contents = [1, 70_000, 8, 33, 200].map((size, i) => Buffer.alloc(size, i + 1));
  const blobs = contents.map((content, i) => ({ kind: RecordKind.blob, key: Buffer.alloc(32, i), content }));
  log.addRecords(blobs);
  const reader = readerOn(log);
  const { records } = log.scan().batches[0]!;
  const { offset } = records[0]!;
  const digests = Buffer.concat(blobs.map(({ key }) => key));
  const lengths = contents.map(({ length }) => length);
  const all = { segment: 1, offset, digests, lengths };
  const into = Buffer.alloc(Buffer.concat(contents).length);
  await reader.readNeighbours(all, into);
  assert.ok(into.equals(Buffer.concat(contents)));
  const swapped = Buffer.from(digests).fill(9, 2 * 32, 3 * 32);
  const wrong = [
    { ...all, digests: swapped },
    { ...all, lengths: [1, 70_000, 9, 32, 200] },
    { ...all, lengths: [1, 70_000, 8, 33, 201] },
    { ...all, offset: offset + 8 },
    { ...all, offset: 10_000_000 },
    { ...all, segment: 2 },
  ];
  for (const blobs of wrong) {
    const error = await failureWithHint(
      () => reader.readNeighbours(blobs, Buffer.alloc(80_000)),
      "CORRUPTION",
    );
    assert.type(error.details?.segment, "number");
  }
  const bytes = readFileSync(log.path());
  for (const { offset } of records)
    for (const at of [offset, offset + 40, offset + 64]) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 1;
      writeFileSync(log.path(), damaged);
      await failureWithHint(() => reader.readNeighbours(all, into), "CORRUPTION");
    }
  for (const end of [bytes.length - 1, offset + 32 + 32 + 8 + 30, offset + 5]) {
    writeFileSync(log.path(), bytes.subarray(0, end));
    await failureWithHint(() => reader.readNeighbours(all, into), "CORRUPTION");
  }
});

test("at most 128 segments are open, and every one can still be read", () => {
  const log = new HandmadeLog();
  for (let i = 0; i < 150; i++) {
    log.add(`${i}`);
    log.roll();
  }
  const files = new WatchedFiles();
  const reader = readerOn(log, files);
  const places = log.scan().batches.map(({ records }) => records[1]!);
  for (let round = 0; round < 2; round++) {
    for (const [i, { segment, offset, key, header }] of places.entries()) {
      const place = { segment, offset, payloadLength: header.payloadLength };
      assert.is(String(reader.readSync(place, RecordKind.put, key)), `${i}`);
    }
  }
  assert.ok(files.counts.opens > 150);
});

test.run();

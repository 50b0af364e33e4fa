import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { decodeValue } from "../../engine/codec/cbor.ts";
import { encodeKey } from "../../engine/key.ts";
import { nodeFileSystem } from "../../engine/log/file.ts";
import * as format from "../../engine/log/format.ts";
import { LogReader } from "../../engine/log/reader.ts";
import type { ScannedBatch } from "../../engine/log/scan.ts";
import { scanLog } from "../../engine/log/scan.ts";
import { createSegment, LOG_START, segmentPath } from "../../engine/log/segment.ts";
import { openStore } from "../../engine/main.ts";
import { rewriteSegments } from "../helpers/rewriting.ts";
import { fencesOf, readDocument } from "./documents.ts";

const document = readDocument("engine/log/FORMAT.md");
const prose = document.replace(/\s+/g, " ");

interface Field {
  offset: number;
  bytes: Buffer;
  /** Empty on the second line of a long field. */
  label: string;
  value: string;
}

/** Columns: the offset, up to 16 bytes, what they are, their value. */
function fieldsOf(begin: string): Field[] {
  return fencesOf(document)
    .find(({ text }) => text.startsWith(begin))!
    .text.split("\n")
    .filter((line) => /^[0-9a-f]{4} {2}/.test(line))
    .map((line) => ({
      offset: Number.parseInt(line.slice(0, 4), 16),
      bytes: Buffer.from(line.slice(6, 53).replaceAll(" ", ""), "hex"),
      label: line.slice(55, 73).trim(),
      value: line.slice(74).trim(),
    }));
}

const bytesOf = (all: readonly Field[]) => Buffer.concat(all.map((field) => field.bytes));
const fields = fieldsOf("segment header");
const rewritten = fieldsOf("header of 0000000001-000001.varve");
const bytes = bytesOf(fields);

const test = suite("FORMAT.md");
let home: string;

test.before.each(() => {
  home = mkdtempSync(join(tmpdir(), "varve-format-"));
  mkdirSync(join(home, "log"));
  writeFileSync(join(home, "log", "0000000001.varve"), bytes);
});
test.after.each(() => rmSync(home, { recursive: true, force: true }));

function littleEndian(field: Buffer): bigint {
  return field.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

test("the bytes of the examples stand one behind the other", () => {
  for (const [each, size] of [
    [fields, 496],
    [rewritten, 128],
  ] as const) {
    let end = 0;
    for (const { offset, bytes: field } of each) {
      assert.is(offset, end);
      end += field.length;
    }
    assert.is(end, size);
  }
});

test("each field of the examples has the value that is written beside it", () => {
  let checked = 0;
  for (const { label, value, bytes: field, offset } of [...fields, ...rewritten]) {
    const [word = ""] = value.split(" ");
    const at = `${offset.toString(16)}: ${label} ${value}`;
    if (label === "zero")
      assert.ok(
        field.every((byte) => byte === 0),
        at,
      );
    else if (word.startsWith('"')) assert.is(`"${field.toString("latin1")}"`, word, at);
    else if (word.startsWith("0x")) assert.is(littleEndian(field), BigInt(word), at);
    else if (/^\d+$/.test(word)) assert.is(littleEndian(field), BigInt(word), at);
    else continue;
    checked++;
  }
  assert.ok(checked > 60);
});

test("the second example is the header of the first, rewritten", async () => {
  const log = join(home, "log");
  const header = format.decodeSegmentHeader(bytesOf(rewritten), "it");
  assert.equal(format.encodeSegmentHeader(header), bytesOf(rewritten));
  const reader = new LogReader(nodeFileSystem, log);
  const found = [...scanLog(reader, [1], LOG_START)];
  reader.close();
  const { chain, sequence } = (found[1] as { batch: ScannedBatch }).batch.end;
  createSegment(
    nodeFileSystem,
    log,
    2,
    { segment: 1, offset: 496, sequence, time: 0, chain },
    { storeId: header.storeId, application: header.application },
    0,
  );
  const id = await rewriteSegments(log, [1]);
  const made = format.decodeSegmentHeader(readFileSync(segmentPath(log, id)), "it");
  assert.equal({ ...made, salt: header.salt, createdAt: header.createdAt }, header);
});

test("the example is a log of two batches without a problem", () => {
  const reader = new LogReader(nodeFileSystem, join(home, "log"));
  const found = [...scanLog(reader, [1], LOG_START)];
  reader.close();
  assert.ok(found.every((each) => "batch" in each));
  const batches = found.map((each) => (each as { batch: ScannedBatch }).batch);
  assert.equal(
    batches.map(({ header, records }) => [header.sequence, records.length]),
    [
      [1, 2],
      [2, 1],
    ],
  );
  const { payload } = batches[0]!.records[1]!;
  assert.equal(decodeValue(payload!.subarray(format.DIGEST_BYTES)), { tags: { stage: "dev" } });
  assert.is(batches[1]!.end.offset, 496);
  assert.match(prose, `previous chain 0x${batches[1]!.end.chain.toString(16)} and previous sequence 2.`);
});

test("the example opens as a store", async () => {
  const store = await openStore({ home });
  try {
    const artifact = await store.get("iris/model@production");
    assert.equal(await artifact.value(), { k: 3 });
    assert.equal(artifact.tags, { stage: "dev" });
    assert.is(artifact.ref, "iris/model:0");
    assert.is(artifact.createdAt.toISOString(), "2026-01-01T00:00:01.000Z");
    assert.is(store.id, "000102030405060708090a0b0c0d0e0f");
    assert.ok((await store.verify({ full: true })).ok);
  } finally {
    await store.close();
  }
});

test("sizes and limits are those of the code", () => {
  assert.match(prose, `Segment header: ${format.SEGMENT_HEADER_BYTES} bytes`);
  assert.match(prose, `Batch header: ${format.BATCH_HEADER_BYTES} bytes`);
  assert.match(prose, `Record: ${format.RECORD_HEADER_BYTES} bytes`);
  assert.match(prose, `at most ${format.KEY_BYTES_MAX.toLocaleString("en")} `);
  assert.match(prose, `multiple of ${format.ALIGNMENT_BYTES} bytes`);
  const { blob, put, delete: del } = format.RecordKind;
  assert.match(prose, `${blob} blob, ${put} put, ${del} delete`);
});

test("the newest version of the format is the last in the history", () => {
  const history = document.slice(document.indexOf("## Versions of the format"));
  const versions = [...history.matchAll(/^\| (\d+) +\|/gm)].map(([, version]) => Number(version));
  assert.is(versions.at(-1), format.FORMAT_VERSION);
});

test("the keys of the key-value engine are those of the text", () => {
  const hex = (key: Parameters<typeof encodeKey>[0]) =>
    encodeKey(key)
      .toString("hex")
      .replace(/..(?!$)/g, "$& ");
  for (const [text, key] of [
    ['"a"', "a"],
    ["1", 1],
    ['["a", 1]', ["a", 1]],
  ] as const) {
    assert.ok(
      new RegExp(`\`${text.replace(/[[\]]/g, "\\$&")}\`[^\`]*(\`3f[^\`]*\`, )?is \`${hex(key)}\``).test(
        prose,
      ),
      text,
    );
  }
});

test.run();

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
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
import { LOG_START } from "../../engine/log/segment.ts";
import { openStore } from "../../engine/main.ts";
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

const example = fencesOf(document).find(({ text }) => text.startsWith("segment header"))!.text;
/** Columns: the offset, up to 16 bytes, what they are, their value. */
const fields: Field[] = example
  .split("\n")
  .filter((line) => /^[0-9a-f]{4} {2}/.test(line))
  .map((line) => ({
    offset: Number.parseInt(line.slice(0, 4), 16),
    bytes: Buffer.from(line.slice(6, 53).replaceAll(" ", ""), "hex"),
    label: line.slice(55, 73).trim(),
    value: line.slice(74).trim(),
  }));
const bytes = Buffer.concat(fields.map((field) => field.bytes));

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

test("the bytes of the example stand one behind the other", () => {
  let end = 0;
  for (const { offset, bytes: field } of fields) {
    assert.is(offset, end);
    end += field.length;
  }
  assert.is(end, 496);
});

test("each field of the example has the value that is written beside it", () => {
  let checked = 0;
  for (const { label, value, bytes: field, offset } of fields) {
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
  assert.ok(checked > 40);
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

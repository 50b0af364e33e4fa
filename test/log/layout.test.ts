import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checksum } from "../../engine/log/checksum.ts";
import { RecordKind } from "../../engine/log/format.ts";
import { GroupLayout } from "../../engine/log/layout.ts";
import { Random } from "../helpers/random.ts";
import { closeAll } from "../helpers/stores.ts";
import { HandmadeLog } from "./support.ts";

const test = suite("layout of a group");
test.after.each(closeAll);

function record(key: string, payload: Uint8Array, salt: bigint) {
  return {
    kind: RecordKind.put,
    flags: 0,
    tag: 0,
    referenceCount: 0,
    key: Buffer.from(key),
    payload,
    payloadChecksum: checksum(payload, salt),
  };
}

test("batches of a group are read back, whatever the sizes, and abandoned ones leave nothing", () => {
  const random = new Random("layout");
  for (let round = 0; round < 15; round++) {
    const log = new HandmadeLog();
    const layout = new GroupLayout(log.end, log.salt, 0);
    const expected: [string, Buffer][][] = [];
    for (let batch = 0; batch < 30; batch++) {
      layout.beginBatch();
      const records: [string, Buffer][] = [];
      const count = random.below(4) === 0 ? random.below(200) : random.below(4);
      for (let i = 0; i < count; i++) {
        const size = [0, 7, 100, 5000, 65_535, 65_536, 65_537, 300_000][random.below(count > 10 ? 4 : 8)]!;
        const payload = Buffer.alloc(size, random.below(256));
        const key = `key-${batch}-${i}`.padEnd(random.below(40));
        const at = layout.addRecord(record(key, payload, log.salt));
        assert.is(at % 8, 0);
        records.push([key, payload]);
      }
      if (random.below(3) === 0) {
        const before = layout.abandonBatch();
        assert.is(before, layout.end);
        continue;
      }
      const { sequence } = layout.end;
      layout.endBatch(sequence + 1, 1);
      if (records.length > 0) expected.push(records);
      else assert.is(layout.end.sequence, sequence, "an empty batch leaves nothing");
    }
    const bytes = Buffer.concat(layout.pieces());
    assert.is(bytes.length, layout.end.offset - layout.start.offset);
    log.append(bytes);
    const { batches, problems, end } = log.scan();
    assert.equal(problems, []);
    assert.equal(end.position, layout.end);
    assert.is(batches.length, expected.length);
    for (const [i, { records }] of batches.entries()) {
      assert.is(records.length, expected[i]!.length);
      for (const [j, { key, payload, sound }] of records.entries()) {
        assert.ok(sound && payload!.equals(expected[i]![j]![1]) && String(key) === expected[i]![j]![0]);
      }
    }
  }
});

test("large payloads are handed on without being copied", () => {
  const log = new HandmadeLog();
  const layout = new GroupLayout(log.end, log.salt, 0);
  const payload = Buffer.alloc(100_000, 1);
  layout.beginBatch();
  layout.addRecord(record("key", payload, log.salt));
  layout.endBatch(1, 1);
  assert.ok(layout.pieces().includes(payload));
});

test("an abandoned batch with a large payload leaves neither the payload nor a hole", () => {
  const log = new HandmadeLog();
  const layout = new GroupLayout(log.end, log.salt, 0);
  for (const [text, keep] of [
    ["first", true],
    ["lost", false],
    ["second", true],
  ] as const) {
    layout.beginBatch();
    layout.addRecord(record(`small ${text}`, Buffer.from(text), log.salt));
    layout.addRecord(record(`large ${text}`, Buffer.alloc(70_000, text), log.salt));
    if (keep) layout.endBatch(layout.end.sequence + 1, 1);
    else layout.abandonBatch();
  }
  log.append(Buffer.concat(layout.pieces()));
  const { batches } = log.scan();
  assert.equal(
    batches.map(({ records }) => String(records[0]!.payload)),
    ["first", "second"],
  );
});

test.run();

import { readdirSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Merge } from "../../engine/maintenance/bulk/merge.ts";
import {
  compareKeys,
  ENTRY_HEAD_BYTES,
  keyLengthAt,
  sortEntries,
} from "../../engine/maintenance/bulk/sort.ts";
import {
  removeWaiting,
  SortedInFile,
  SortedInMemory,
  waitInFile,
  waitInMemory,
  waitingPath,
} from "../../engine/maintenance/bulk/sorted.ts";
import { newFolder, removeFolders } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";

const test = suite("sorted entries");
test.after.each(removeFolders);

/** Where each of these begins when they stand one behind the other. */
function offsetsOf(parts: readonly Buffer[]): Uint32Array {
  let at = 0;
  return Uint32Array.from(parts, (part) => {
    at += part.length;
    return at - part.length;
  });
}

test("what waits in a file is read back entry by entry, wherever a read ends", () => {
  const random = new Random("waiting entries");
  const parts = Array.from({ length: 900 }, (_, i) => {
    const value = random.bytes(random.below(1_500));
    const head = Buffer.alloc(ENTRY_HEAD_BYTES);
    head.writeUInt16LE(4);
    head.writeUInt32LE(value.length, 4);
    const key = Buffer.alloc(4);
    key.writeUInt32BE(i);
    return Buffer.concat([head, key, value]);
  });
  const buffer = Buffer.concat(parts);
  const entries = offsetsOf(parts);
  const folder = newFolder();
  const file = new SortedInFile(waitInFile(0, waitingPath(folder, "rows", 0), buffer, entries));
  for (const [i, part] of parts.entries()) {
    assert.ok(file.next());
    const found = file.buffer.subarray(file.entry, file.entry + part.length);
    assert.ok(found.equals(part), `entry ${i}, seed ${random.seed}`);
  }
  assert.is(file.next(), false);
  file.close();
  removeWaiting(folder);
  assert.equal(readdirSync(folder), []);
});

test("entries are sorted by key, those with the same key in their order", () => {
  const random = new Random("entries");
  for (let round = 0; round < 40; round++) {
    const keys = Array.from({ length: random.below(400) }, () => {
      const alphabet = 1 + random.below(3);
      const text = Buffer.from(Array.from({ length: random.below(9) }, () => random.below(alphabet) * 0x7f));
      return Buffer.concat([Buffer.from("same"), text]);
    });
    const parts = keys.map((key) => {
      const head = Buffer.alloc(ENTRY_HEAD_BYTES);
      head.writeUInt16LE(key.length);
      return Buffer.concat([head, key]);
    });
    const buffer = Buffer.concat(parts);
    const entries = offsetsOf(parts);
    const expected = [...entries].sort((a, b) => compareKeys(buffer, a, buffer, b) || a - b);
    sortEntries(buffer, entries);
    assert.equal([...entries], expected, `round ${round}, seed ${random.seed}`);
    for (const entry of entries) assert.ok(keyLengthAt(buffer, entry) >= 4);
  }
});

/** Keys as entries without values. */
function entriesOf(keys: readonly Buffer[]): { buffer: Buffer; entries: Uint32Array } {
  const parts = keys.map((key) => {
    const head = Buffer.alloc(ENTRY_HEAD_BYTES);
    head.writeUInt16LE(key.length);
    return Buffer.concat([head, key]);
  });
  return { buffer: Buffer.concat(parts), entries: offsetsOf(parts) };
}

test("of many entries each comes to its place too", () => {
  const random = new Random("many entries");
  for (const letters of [2, 9]) {
    // A few keys again and again, some longer than others, and all of them in no order.
    const keys = Array.from({ length: 9_000 }, () =>
      Buffer.from(Array.from({ length: 2 + random.below(7) }, () => random.below(letters))),
    );
    const { buffer, entries } = entriesOf(keys);
    const expected = [...entries].sort((a, b) => compareKeys(buffer, a, buffer, b) || a - b);
    assert.is(sortEntries(buffer, entries), false);
    assert.equal([...entries], expected, `seed ${random.seed}`);
  }
});

test("only keys that are in order and differ are said to be there once", () => {
  const said = (...keys: string[]) => {
    const { buffer, entries } = entriesOf(keys.map((key) => Buffer.from(key)));
    return sortEntries(buffer, entries);
  };
  assert.is(said("a", "ab", "b"), true);
  assert.is(said("a", "ab", "ab", "b"), false);
  assert.is(said("b", "a", "b"), false);
});

test("what was fetched ahead is given entry by entry, to the last one", () => {
  for (const count of [0, 1, 15, 16, 17, 33]) {
    const { buffer, entries } = entriesOf(Array.from({ length: count }, (_, i) => Buffer.from([i])));
    const backwards = entries.slice().reverse();
    const source = new SortedInMemory(waitInMemory(0, buffer, backwards));
    const found: number[] = [];
    while (source.next()) found.push(source.entry);
    assert.equal(found, [...backwards]);
  }
});

test("several runs give each key once, in order, with the runs that have it from the earliest on", () => {
  const random = new Random("merged entries");
  for (let round = 0; round < 60; round++) {
    const runs = new Map<string, number[]>();
    const sources = Array.from({ length: random.below(9) }, (_, run) => {
      const keys = Array.from({ length: random.below(60) }, () => {
        const text = Array.from({ length: random.below(11) }, () => random.below(2) * 0xff);
        return Buffer.from([0x61, 0x61, ...text]).toString("latin1");
      });
      const sorted = [...new Set(keys)].map((key) => Buffer.from(key, "latin1")).sort(Buffer.compare);
      for (const key of sorted) {
        const name = key.toString("latin1");
        runs.set(name, [...(runs.get(name) ?? []), run]);
      }
      const { buffer, entries } = entriesOf(sorted);
      return new SortedInMemory(waitInMemory(run, buffer, entries));
    });
    const merge = new Merge(sources);
    const found: [string, number[]][] = [];
    for (let same = merge.take(); same; same = merge.take()) {
      const { buffer, entry } = same[0]!;
      const at = entry + ENTRY_HEAD_BYTES;
      const key = buffer.toString("latin1", at, at + keyLengthAt(buffer, entry));
      found.push([key, same.map(({ run }) => run)]);
    }
    const names = [...runs.keys()].map((name) => Buffer.from(name, "latin1")).sort(Buffer.compare);
    const expected = names.map((name) => name.toString("latin1")).map((name) => [name, runs.get(name)]);
    assert.equal(found, expected, `round ${round}, seed ${random.seed}`);
  }
});

test("keys are compared byte by byte, a beginning of another before it", () => {
  const random = new Random("compared keys");
  for (let round = 0; round < 2_000; round++) {
    const keys = [0, 0].map(() =>
      Buffer.from(Array.from({ length: random.below(5) }, () => random.below(2) * 0x80)),
    );
    const [a, b] = keys.map((key) => entriesOf([key]).buffer) as [Buffer, Buffer];
    const found = Math.sign(compareKeys(a, 0, b, 0));
    assert.is(found, Buffer.compare(keys[0]!, keys[1]!), `round ${round}, seed ${random.seed}`);
  }
});

test.run();

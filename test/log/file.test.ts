import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { newFolder, removeFolders } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";

const test = suite("files of the log");
test.after.each(removeFolders);

test("what is appended in however many pieces stands there as one, behind what was there", () => {
  const random = new Random("pieces of a file");
  const path = join(newFolder(), "file");
  const file = nodeFileSystem.open(path, "create");
  const all: Buffer[] = [];
  for (const count of [1, 2, 1023, 1024, 1025, 5000, 0]) {
    const pieces = Array.from({ length: count }, () => Buffer.alloc(random.below(40), random.below(256)));
    file.append(pieces);
    all.push(...pieces);
    assert.is(file.size(), Buffer.concat(all).length, `${count} pieces`);
  }
  file.close();
  assert.ok(readFileSync(path).equals(Buffer.concat(all)));
});

test("what is read into however many pieces is what stands there, up to the end of the file", async () => {
  const random = new Random("pieces that are read into");
  const path = join(newFolder(), "file");
  const bytes = Buffer.from(Array.from({ length: 60_000 }, () => random.below(256)));
  writeFileSync(path, bytes);
  const file = nodeFileSystem.open(path, "read");
  for (const count of [0, 1, 2, 1024, 1025, 5000]) {
    const pieces = Array.from({ length: count }, () => Buffer.alloc(random.below(40)));
    const position = random.below(10_000);
    const got = await file.readAsync(pieces, position);
    const read = Buffer.concat(pieces);
    const expected = bytes.subarray(position, position + read.length);
    assert.is(got, expected.length, `${count} pieces`);
    assert.ok(read.subarray(0, got).equals(expected));
  }
  file.close();
});

test.run();

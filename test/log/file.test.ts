import { readFileSync } from "node:fs";
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

test.run();

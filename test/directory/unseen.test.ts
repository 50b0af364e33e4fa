import fs, { appendFileSync, lstatSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { deviceByOwnClock } from "../../engine/directory/file-system.ts";
import { readUnseen } from "../../engine/directory/read-file.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { removeFolders } from "../helpers/folders.ts";
import "../helpers/whole-suites.ts";
import { newFolder } from "./support.ts";

const test = suite("directories: files that nobody looked at");
test.after.each(removeFolders);

const room = Buffer.alloc(64);

function newFile(content: string): string {
  const path = join(newFolder(), "f");
  writeFileSync(path, content);
  return path;
}

const read = (path: string, isQuiet = true) => readUnseen(path, "f", room, () => isQuiet);

test("one that rests is read at once, with what it is", () => {
  const path = newFile("content");
  const seen = read(path);
  assert.ok("bytes" in seen);
  assert.is(seen.bytes.toString(), "content");
  assert.is(seen.bytes.buffer, room.buffer);
  const { mtimeNs, ctimeNs, ino } = lstatSync(path, { bigint: true });
  const stamp = { mtimeNs, ctimeNs, inode: ino };
  assert.equal(seen.file, { kind: "file", path: "f", size: 7, executable: false, stamp });
  const empty = read(newFile(""));
  assert.ok("bytes" in empty && empty.bytes.length === 0);
});

test("of one that may have changed meanwhile, or that fills the room, it is only told what it is", () => {
  const told = read(newFile("content"), false);
  assert.equal(["bytes" in told, "size" in told && told.size], [false, 7]);
  for (const size of [room.length, room.length + 1, 1000]) {
    const long = read(newFile("x".repeat(size)));
    assert.equal(["bytes" in long, "size" in long && long.size], [false, size]);
  }
});

test("one that grows while it is read is not taken for what was read", () => {
  const path = newFile("content");
  const { readSync } = fs;
  fs.readSync = ((...given: Parameters<typeof readSync>) => {
    const length = readSync(...given);
    appendFileSync(path, " and more");
    return length;
  }) as typeof readSync;
  syncBuiltinESMExports();
  try {
    const grown = read(path);
    assert.equal(["bytes" in grown, "size" in grown && grown.size], [false, 16]);
  } finally {
    fs.readSync = readSync;
    syncBuiltinESMExports();
  }
});

test("what is there no more, or is no file any more, is CONFLICT and names it", async () => {
  const folder = newFolder();
  symlinkSync("gone", join(folder, "link"));
  for (const path of [join(folder, "gone"), join(folder, "link"), folder]) {
    const error = await failureWithHint(async () => read(path), "CONFLICT");
    assert.equal(error.details, { path: "f" }, path);
  }
});

test("times are believed where they come from this machine's clock alone", () => {
  const folder = newFolder();
  const device = deviceByOwnClock(folder);
  assert.ok(device === undefined || device === statSync(folder, { bigint: true }).dev);
  assert.is(deviceByOwnClock("/proc"), undefined);
  assert.is(deviceByOwnClock("/dev/shm"), statSync("/dev/shm", { bigint: true }).dev);
});

test.run();

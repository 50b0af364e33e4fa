import { execFileSync } from "node:child_process";
import { appendFileSync, chmodSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FILE_PIECE_BYTES } from "../../engine/chunk/file.ts";
import { piecesOf } from "../../engine/chunk/source.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { newFolder, openFilesUnder, removeFolders } from "../helpers/folders.ts";
import { within } from "../helpers/time.ts";
import { all } from "./source-support.ts";
import { steadyBytes } from "./support.ts";

/** Files are read as they are now, and nothing of them is left open. */
const test = suite("sources that are files");
test.after.each(removeFolders);

test("a file that grows or shrinks while it is read gives what is read", async () => {
  const file = join(newFolder(), "file");
  const value = steadyBytes("file", 3 * FILE_PIECE_BYTES);
  for (const change of ["grows", "shrinks"]) {
    writeFileSync(file, value);
    let bytes = 0;
    for await (const piece of piecesOf({ file })) {
      if (bytes === 0 && change === "grows") appendFileSync(file, "more");
      if (bytes === 0 && change === "shrinks") truncateSync(file, FILE_PIECE_BYTES + 10);
      bytes += piece.length;
    }
    // The piece behind the first one is read at the same time as the file shrinks.
    const possible = [FILE_PIECE_BYTES + 10, 2 * FILE_PIECE_BYTES];
    if (change === "grows") assert.is(bytes, value.length + 4);
    else assert.ok(possible.includes(bytes), `${bytes} bytes`);
  }
});

test("files are read whatever size they say to have", async () => {
  const file = join(newFolder(), "empty");
  writeFileSync(file, "");
  assert.is((await all({ file })).length, 0);
  if (process.platform === "linux")
    assert.equal(await all({ file: "/proc/self/cmdline" }), readFileSync("/proc/self/cmdline"));
});

test("a handle is read from its first byte, wherever it stands, and stays open", async () => {
  const file = join(newFolder(), "file");
  writeFileSync(file, "hello");
  const handle = await open(file);
  await handle.read(Buffer.alloc(2));
  assert.is((await all({ file: handle })).toString(), "hello");
  const left = piecesOf({ file: handle });
  await left.next();
  await left.return();
  assert.is((await handle.readFile()).toString(), "llo");
  await handle.close();
});

test("what is no file that can be read is an error with its path, and nothing is waited for or left open", async () => {
  const folder = newFolder();
  const pipe = join(folder, "pipe");
  execFileSync("mkfifo", [pipe]);
  const socket = join(folder, "socket");
  const server = createServer().listen(socket).unref();
  await new Promise((resolve) => server.once("listening", resolve));
  mkdirSync(join(folder, "folder"));
  const under = join(pipe, "file");
  for (const path of [
    join(folder, "none"),
    join(folder, "folder"),
    pipe,
    socket,
    under,
    "/dev/zero",
    "a\0b",
  ]) {
    const error = await within(10_000, path, () => failureWithHint(all({ file: path }), "INVALID_ARGUMENT"));
    assert.ok(error.message.includes(path), error.message);
    assert.is(error.details?.path, path);
  }
  assert.equal(
    openFilesUnder(folder).filter((path) => path !== "/socket"),
    [],
  );
  await new Promise((resolve) => server.close(resolve));
  const secret = join(folder, "secret");
  writeFileSync(secret, "secret");
  chmodSync(secret, 0);
  if (process.getuid?.() !== 0) await failureWithHint(all({ file: secret }), "IO");
});

test("a piece stays as it is until the next one is asked for, though that is read meanwhile", async () => {
  const file = join(newFolder(), "file");
  const value = steadyBytes("file", 5 * FILE_PIECE_BYTES);
  writeFileSync(file, value);
  let at = 0;
  for await (const piece of piecesOf({ file })) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.is(Buffer.compare(piece, value.subarray(at, at + piece.length)), 0, `at ${at}`);
    at += piece.length;
  }
  assert.is(at, value.length);
});

test("a file that can't be closed under a read is closed behind it", async () => {
  const folder = newFolder();
  const file = join(folder, "file");
  writeFileSync(file, steadyBytes("file", 2 * FILE_PIECE_BYTES));
  const pieces = piecesOf({ file });
  await pieces.next();
  const reading = pieces.next();
  await pieces.return();
  await reading;
  assert.equal(openFilesUnder(folder), []);
  const opening = piecesOf({ file });
  const first = opening.next();
  await opening.return();
  await first;
  assert.equal(openFilesUnder(folder), []);
});

test.run();

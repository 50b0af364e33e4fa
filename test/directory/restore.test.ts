import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { StoredDirectory } from "../../engine/directory/directory.ts";
import type { FileContent } from "../../engine/directory/entry.ts";
import { LARGE_BYTES_MIN } from "../../engine/directory/read-file.ts";
import { LEFTOVER_PREFIX } from "../../engine/directory/restore.ts";
import { VarveError } from "../../engine/errors.ts";
import { endWithParent } from "../helpers/end-with-parent.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { openFilesUnder, removeFolders } from "../helpers/folders.ts";
import "../helpers/whole-suites.ts";
import { file, MemoryStore, newFolder, written } from "./support.ts";

const test = suite("directories: where they are restored to");
test.after.each(removeFolders);

const small = () => {
  const store = new MemoryStore();
  return written([file(store, "a/x", "1"), file(store, "b", "2")], store).directory;
};

test("what is there is not touched, but for an empty folder", async () => {
  const parent = newFolder();
  const store = new MemoryStore();
  const { root } = written([file(store, "a")], store);
  mkdirSync(join(parent, "full"));
  writeFileSync(join(parent, "full/x"), "kept");
  writeFileSync(join(parent, "file"), "kept");
  mkdirSync(join(parent, "empty"));
  symlinkSync("empty", join(parent, "link"));
  symlinkSync("nothing", join(parent, "dangling"));
  const before = readdirSync(parent).sort();
  const unread = new StoredDirectory(store.manifest(root), new MemoryStore());
  for (const name of ["full", "file", "link", "dangling"])
    assert.match((await failureWithHint(unread.writeTo(join(parent, name)), "CONFLICT")).message, name);
  assert.equal(readdirSync(parent).sort(), before);
  assert.equal(readdirSync(join(parent, "full")), ["x"]);
  await small().writeTo(join(parent, "empty"));
  assert.equal(readdirSync(join(parent, "empty")), ["a", "b"]);
});

test("a target that comes to be meanwhile is not touched", async () => {
  for (const make of [
    (path: string) => writeFileSync(path, "kept"),
    (path: string) => {
      mkdirSync(path);
      writeFileSync(join(path, "x"), "kept");
    },
  ]) {
    const parent = newFolder();
    const store = new MemoryStore();
    const { root } = written([file(store, "a")], store);
    const contents = {
      bytes: (file: FileContent) => {
        make(join(parent, "tree"));
        return store.bytes(file);
      },
      stream: store.stream,
    };
    await failure(
      new StoredDirectory(store.manifest(root), contents).writeTo(join(parent, "tree")),
      "CONFLICT",
    );
    assert.equal(readdirSync(parent), ["tree"]);
    const kept = statSync(join(parent, "tree")).isFile() ? "tree" : "tree/x";
    assert.is(readFileSync(join(parent, kept), "utf8"), "kept");
  }
});

test("the folder of the target must be there; a relative path is taken from the current folder", async () => {
  const parent = newFolder();
  for (const target of [join(parent, "no/tree"), join(parent, "a\0b"), "", undefined])
    await failureWithHint(small().writeTo(target as string), "INVALID_ARGUMENT");
  await small().writeTo(relative(process.cwd(), join(parent, "tree")));
  assert.equal(readdirSync(parent), ["tree"]);
});

test("while it grows nobody else can enter it, and nothing stands at the target", async () => {
  const parent = newFolder();
  const store = new MemoryStore();
  const { root } = written([file(store, "a")], store);
  let seen = 0;
  const contents = {
    bytes: (file: FileContent) => {
      const [name, ...more] = readdirSync(parent);
      assert.equal([name!.startsWith(LEFTOVER_PREFIX), more], [true, []]);
      seen = statSync(join(parent, name!)).mode & 0o777;
      return store.bytes(file);
    },
    stream: store.stream,
  };
  await new StoredDirectory(store.manifest(root), contents).writeTo(join(parent, "tree"));
  assert.is(seen, 0o700);
});

test("a restore that is aborted, or whose contents fail, leaves nothing and holds nothing", async () => {
  const store = new MemoryStore();
  const entries = Array.from({ length: 200 }, (_, i) => file(store, `${1_000 + i}`));
  const large = file(store, "large", Buffer.alloc(3 * LARGE_BYTES_MIN, 1));
  const { root } = written([...entries, large], store);
  const abort = new AbortController();
  let calls = 0;
  const failing = {
    bytes: async (file: FileContent) => {
      if (++calls === 100) throw new VarveError("UNAVAILABLE", "the remote does not answer");
      return store.bytes(file);
    },
    stream: store.stream,
  };
  const aborting = {
    bytes: (file: FileContent) => store.bytes(file),
    async *stream(file: FileContent) {
      for await (const piece of store.stream(file)) {
        abort.abort();
        yield piece;
      }
    },
  };
  const parent = newFolder();
  const to = join(parent, "tree");
  await failure(new StoredDirectory(store.manifest(root), failing).writeTo(to), "UNAVAILABLE");
  const { signal } = abort;
  await failure(new StoredDirectory(store.manifest(root), aborting).writeTo(to, { signal }), "ABORTED");
  await failure(new StoredDirectory(store.manifest(root), store).writeTo(to, { signal }), "ABORTED");
  assert.equal(readdirSync(parent), []);
  assert.equal(openFilesUnder(parent), []);
});

test("a restore that is killed leaves what is known by its name, and is repeated", async () => {
  const parent = newFolder();
  const script = fileURLToPath(new URL("./restore-until-killed.ts", import.meta.url));
  const [command, ...rest] = endWithParent([process.execPath, "--import", "tsx", script, parent]);
  const child = spawn(command, rest, { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "exit");
  const left = readdirSync(parent);
  assert.is(left.length, 1);
  assert.ok(left[0]!.startsWith(LEFTOVER_PREFIX));
  await small().writeTo(join(parent, "tree"));
  assert.equal(readdirSync(join(parent, "tree")), ["a", "b"]);
});

test("progress ends with the number of entries", async () => {
  const told: unknown[] = [];
  const onProgress = (progress: unknown) => told.push(progress);
  await small().writeTo(join(newFolder(), "tree"), { onProgress });
  assert.equal(told, [{ phase: "writing files", done: 2, total: 2, unit: "files" }]);
});

test.run();

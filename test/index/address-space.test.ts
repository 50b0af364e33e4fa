import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Catalog } from "../../engine/index/catalog.ts";
import { newFolder } from "../helpers/folders.ts";
import { Program } from "../helpers/processes.ts";

const test = suite("address space");
const isLinux = process.platform === "linux";
const isSetAside = isLinux && process.arch === "x64";
/** In the beginning lmdb-js maps 128 KiB, where it is not told to map more. */
const ROWS = 5_000;

/** How often a file is mapped into this process. */
function mapsOf(path: string): number {
  return readFileSync("/proc/self/maps", "latin1")
    .split("\n")
    .filter((line) => line.endsWith(path)).length;
}

if (isSetAside)
  test("an index that grows is mapped once", async () => {
    const folder = newFolder();
    const catalog = new Catalog(folder);
    try {
      catalog.transact(() => {
        for (let i = 0; i < ROWS; i++) catalog.putCounted(Buffer.from(`a${i}`), Buffer.alloc(100, 7));
      });
      assert.ok(catalog.size().fileBytes > 4 * 128 * 1024);
      assert.is(mapsOf(join(folder, "data.mdb")), 1);
    } finally {
      await catalog.release();
    }
  });

if (isLinux)
  test("a store is opened, and written to, where addresses are scarce", async () => {
    const program = new Program("../engine/seam-saver.ts", [newFolder(), "durable"], {
      under: ["sh", "-c", 'ulimit -v 20000000 && exec "$0" "$@"'],
    });
    try {
      assert.equal(await program.expect(), { ready: true });
      program.tell("save a 1");
      assert.equal(await program.expect(), { version: 0 });
    } finally {
      await program.kill();
    }
  });

test.run();

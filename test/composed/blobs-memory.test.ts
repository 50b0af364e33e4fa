import { createCipheriv } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openFolderBlobs } from "../../adapters/storage/folder/open.ts";
import { openLogBlobs } from "../../engine/composed/log-blobs.ts";
import type { BlobStore } from "../../engine/main.ts";
import { MIB } from "../conformance/blob-places.ts";
import { fastFolder, newFolder } from "../helpers/folders.ts";
import { closeAll, track } from "../helpers/stores.ts";
import "../helpers/whole-suites.ts";

const test = suite("the memory that long blobs take");
test.after.each(closeAll);

const PIECES = 192;
/** Some groups of parts of the log, which are on their way to the disk. */
const BYTES_MAX = 64 * MIB;

const places: Record<string, () => Promise<BlobStore>> = {
  folder: () => openFolderBlobs(newFolder(fastFolder()), { durable: false }),
  log: () => openLogBlobs(newFolder(fastFolder()), { durability: "buffered" }),
};

/** Bytes outside of the heap: what pieces are in. */
const taken = () => process.memoryUsage().arrayBuffers;

for (const [name, open] of Object.entries(places))
  test(`${name}: a long blob is put and read in memory of a fixed size`, async () => {
    const store = track(await open());
    const before = taken();
    let most = 0;
    const look = () => {
      most = Math.max(most, taken() - before);
    };
    const pieces = async function* () {
      const cipher = createCipheriv("aes-256-ctr", Buffer.alloc(32, 7), Buffer.alloc(16));
      const zeros = Buffer.alloc(MIB);
      for (let i = 0; i < PIECES; i++) {
        yield cipher.update(zeros);
        look();
      }
    };
    const { digest, size } = await store.putPieces(pieces());
    assert.is(size, PIECES * MIB);
    let read = 0;
    for await (const piece of store.pieces(digest, size)) {
      read += piece.length;
      look();
    }
    assert.is(read, size);
    assert.ok(most < BYTES_MAX, `${Math.round(most / MIB)} MiB were taken`);
  });

test.run();

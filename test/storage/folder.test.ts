import { existsSync, readdirSync, truncateSync } from "node:fs";
import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import { openFolderBlobs } from "../../adapters/storage/folder/open.ts";
import { flipBit } from "../composed/support.ts";
import { testBlobStore } from "../conformance/main.ts";
import { newFolder, removeFolders } from "../helpers/folders.ts";
import "../helpers/whole-suites.ts";

const test = suite("blobs in a folder");
test.after.each(removeFolders);

testBlobStore({
  test,
  async newPlace() {
    const folder = newFolder();
    const pathOf = (digest: Uint8Array) => {
      const name = Buffer.from(digest).toString("hex");
      return join(folder, "blobs/sha256", name.slice(0, 2), name);
    };
    return {
      open: () => openFolderBlobs(folder, { durable: false }),
      openReadOnly: () => openFolderBlobs(folder, { readOnly: true }),
      async damage(digest, size, damage) {
        if (damage === "other bytes") flipBit(pathOf(digest), size >> 1);
        else if (damage === "shorter") truncateSync(pathOf(digest), size - 1);
        else await appendFile(pathOf(digest), "x");
        return true;
      },
      async leftBehind() {
        const temporary = join(folder, "tmp");
        return existsSync(temporary) ? readdirSync(temporary) : [];
      },
    };
  },
});

test.run();

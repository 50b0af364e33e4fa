import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { type FileHandle, open, rename, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fromBytes, toBytes } from "../cbor.ts";
import type { OpenSubject, Subject } from "../subject.ts";
import type { Entry } from "../values.ts";
import { NO_TAGS, WRITES_AGAIN, withoutVersions } from "./words.ts";

const NO_OPEN = "has nothing to open: the time is that of the first load";

export const files: Subject = {
  name: "files",
  does: "one file a value in one folder, encoded with cbor-x",
  packages: [],
  durability: "temporary file, fsync, rename, fsync of the folder",
  differs: {
    "save-existing": WRITES_AGAIN,
    list: "gives file names, unordered",
    open: NO_OPEN,
    "open-killed": NO_OPEN,
  },
  unsupported: {
    ...withoutVersions,
    "list-prefix": "a folder is read as a whole",
    "list-tag": NO_TAGS,
    batch: "has no transactions",
    compact: "the space of a file is free when it is removed",
    rebuild: "has no index but the file system's",
  },
  async open(folder): Promise<OpenSubject> {
    const handle = await open(folder, "r");
    const pathOf = (name: string) => join(folder, encodeURIComponent(name));
    return {
      save: (name, value) => saveFile(pathOf(name), toBytes(value), handle),
      load: (name) => fromBytes(readFileSync(pathOf(name))),
      has: (name) => existsSync(pathOf(name)),
      fill(entries: readonly Entry[]) {
        for (const { name, value } of entries) writeFileSync(pathOf(name), toBytes(value));
        syncFolder(folder);
      },
      list: () => readdirSync(folder).length,
      async remove(name) {
        await unlink(pathOf(name));
        await handle.sync();
      },
      close: () => handle.close(),
    };
  },
};

async function saveFile(path: string, bytes: Buffer, folder: FileHandle): Promise<void> {
  const temporary = `${path}~`;
  await writeFile(temporary, bytes, { flush: true });
  await rename(temporary, path);
  await folder.sync();
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, "r");
  fsyncSync(descriptor);
  closeSync(descriptor);
}

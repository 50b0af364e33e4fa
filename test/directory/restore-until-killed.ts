/** Restores a tree whose last file never comes, and says so. */
import { join } from "node:path";
import { StoredDirectory } from "../../engine/directory/directory.ts";
import type { FileContent } from "../../engine/directory/entry.ts";
import { file, MemoryStore, written } from "./support.ts";

const store = new MemoryStore();
const entries = Array.from({ length: 65 }, (_, i) => file(store, `${100 + i}`));
const { root } = written(entries, store);
const contents = {
  bytes: (file: FileContent) => {
    if (Buffer.compare(file.digest, entries.at(-1)!.digest) !== 0) return store.bytes(file);
    console.log("waits");
    setInterval(() => {}, 1_000);
    return new Promise<Uint8Array>(() => {});
  },
  stream: (file: FileContent) => store.stream(file),
};
await new StoredDirectory(store.manifest(root), contents).writeTo(join(process.argv[2]!, "tree"));

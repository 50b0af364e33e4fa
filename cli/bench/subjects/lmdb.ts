import type { OpenSubject, Subject } from "../subject.ts";
import type { Entry } from "../values.ts";

/** The part of lmdb-js that is used; its types lack some encodings. */
interface Database {
  readonly flushed: Promise<unknown>;
  put(key: string, value: unknown): Promise<boolean>;
  get(key: string): unknown;
  batch(run: () => void): Promise<boolean>;
  getKeys(): Iterable<string>;
  close(): Promise<void>;
}
interface Lmdb {
  open(options: { path: string; encoding: "cbor" }): Database;
}

export const lmdb: Subject = {
  name: "lmdb",
  does: "lmdb-js alone, with its cbor encoding: no log, no digests, no versions",
  packages: [],
  durability: "`flushed` awaited: two flushes of the device a commit",
  differs: {
    "save-existing": "has no deduplication: the value is written again",
    list: "gives keys; varve gives each artifact with its digest, size, time, tags and so on",
  },
  unsupported: { rebuild: "its B-tree is the only copy: there is nothing to rebuild it from" },
  async open(folder, loadPackage): Promise<OpenSubject> {
    const { open } = (await loadPackage("lmdb")) as Lmdb;
    const db = open({ path: folder, encoding: "cbor" });
    const saveBatch = async (entries: readonly Entry[]): Promise<void> => {
      await db.batch(() => {
        for (const { name, value } of entries) db.put(name, value);
      });
      await db.flushed;
    };
    return {
      async save(name, value) {
        await db.put(name, value);
        await db.flushed;
      },
      load: (name) => db.get(name),
      saveBatch,
      fill: saveBatch,
      list: () => {
        let count = 0;
        for (const key of db.getKeys()) if (key !== "") count++;
        return count;
      },
      close: () => db.close(),
    };
  },
};

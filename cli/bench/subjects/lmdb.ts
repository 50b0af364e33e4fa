import { countOf, endOfPrefix } from "../counting.ts";
import type { OpenSubject, PackageLoader, Subject } from "../subject.ts";
import type { Entry } from "../values.ts";
import { GIVES_KEYS, NO_TAGS, ONLY_COPY, WRITES_AGAIN, withoutVersions } from "./words.ts";

interface KeyRange {
  start?: string;
  end?: string;
}

/** The part of lmdb-js that is used; its types lack some encodings. */
export interface LmdbDatabase {
  readonly flushed: Promise<unknown>;
  put(key: string, value: unknown): Promise<boolean>;
  get(key: string): unknown;
  doesExist(key: string): boolean;
  remove(key: string): Promise<boolean>;
  batch(run: () => void): Promise<boolean>;
  getKeys(range?: KeyRange): Iterable<string>;
  getRange(range?: KeyRange): Iterable<{ key: string; value: unknown }>;
  close(): Promise<void>;
}
interface Lmdb {
  open(options: { path: string; encoding: "cbor" }): LmdbDatabase;
}

/** With its own cbor encoding. */
export async function openLmdb(folder: string, loadPackage: PackageLoader): Promise<LmdbDatabase> {
  const { open } = (await loadPackage("lmdb")) as Lmdb;
  return open({ path: folder, encoding: "cbor" });
}

export const lmdb: Subject = {
  name: "lmdb",
  does: "lmdb-js alone, with its cbor encoding: no log, no digests, no versions",
  packages: [],
  durability: "`flushed` awaited: two flushes of the device a commit",
  differs: {
    "save-existing": WRITES_AGAIN,
    list: GIVES_KEYS,
    "list-prefix": GIVES_KEYS,
  },
  unsupported: {
    ...withoutVersions,
    "list-tag": NO_TAGS,
    compact: "uses free pages again, and gives none back",
    rebuild: ONLY_COPY,
  },
  async open(folder, loadPackage): Promise<OpenSubject> {
    const db = await openLmdb(folder, loadPackage);
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
      has: (name) => db.doesExist(name),
      saveBatch,
      fill: saveBatch,
      list: () => countOf(db.getKeys()),
      listPrefix: (prefix) => countOf(db.getKeys({ start: prefix, end: endOfPrefix(prefix) })),
      async remove(name) {
        await db.remove(name);
        await db.flushed;
      },
      close: () => db.close(),
    };
  },
};

import { EventEmitter } from "node:events";
import { countOfAsync } from "../counting.ts";
import type { OpenSubject, PackageLoader, Subject } from "../subject.ts";
import type { Entry } from "../values.ts";
import { openSqlite, type SqliteTable } from "./sqlite.ts";
import { NO_TAGS, ONLY_COPY, WRITES_AGAIN, withoutVersions } from "./words.ts";

interface Pair {
  key: string;
  value: unknown;
}

/** A store adapter as keyv documents them. `@keyv/sqlite` itself needs a package with an install script. */
class SqliteAdapter extends EventEmitter {
  readonly opts = { dialect: "sqlite", url: "sqlite://" };
  namespace?: string;
  readonly #table: SqliteTable;

  constructor(table: SqliteTable) {
    super();
    this.#table = table;
  }

  async get(key: string): Promise<unknown> {
    return this.#table.get(key);
  }

  async set(key: string, value: unknown): Promise<void> {
    this.#table.put(key, value);
  }

  async has(key: string): Promise<boolean> {
    return this.#table.has(key);
  }

  async delete(name: string): Promise<boolean> {
    return this.#table.remove(name);
  }

  async deleteMany(names: readonly string[]): Promise<boolean> {
    this.#table.transaction(() => {
      for (const name of names) this.#table.remove(name);
    });
    return true;
  }

  async clear(): Promise<void> {
    for (const name of [...this.#table.names()]) this.#table.remove(name);
  }

  async setMany(pairs: readonly Pair[]): Promise<void> {
    this.#table.transaction(() => {
      for (const { key, value } of pairs) this.#table.put(key, value);
    });
  }

  async *iterator(): AsyncGenerator<[string, unknown]> {
    for (const name of this.#table.names()) {
      yield [name, this.#table.get(name)];
    }
  }

  async disconnect(): Promise<void> {
    this.#table.close();
  }
}

/** The part of keyv that is used. */
interface Keyv {
  set(key: string, value: unknown): Promise<boolean>;
  setMany(pairs: readonly Pair[]): Promise<unknown>;
  get(key: string): Promise<unknown>;
  has(key: string): Promise<boolean>;
  delete(key: string | readonly string[]): Promise<boolean>;
  iterator(namespace?: string): AsyncIterable<[string, unknown]>;
  disconnect(): Promise<void>;
}
type KeyvClass = new (options: { store: unknown; throwOnErrors: boolean }) => Keyv;

export const keyv: Subject = {
  name: "keyv",
  does: "keyv on SQLite (its own JSON encoding)",
  packages: ["keyv", "libsql"],
  durability: "WAL with synchronous=FULL: the WAL is synced before the promise resolves",
  differs: {
    save: "the thousand callers are one `setMany`, in one transaction",
    "save-full": "as `save`",
    mixed: "as `save`: the saves of a thousand callers are one `setMany`",
    delete: "the thousand callers are one `delete` of many, in one transaction",
    "save-existing": `as \`save\`; ${WRITES_AGAIN}`,
    list: "its iterator gives the decoded values too",
  },
  unsupported: {
    batch: "`setMany` promises no all or none",
    ...withoutVersions,
    "list-prefix": "its iterator goes through all",
    "list-tag": NO_TAGS,
    compact: "has no call for it",
    rebuild: ONLY_COPY,
    "put-large": "encodes as JSON: bytes would be base64",
    "get-large": "encodes as JSON: bytes would be base64",
  },
  async open(folder, loadPackage): Promise<OpenSubject> {
    const store = await openKeyv(folder, loadPackage);
    const setMany = (entries: readonly Entry[]) =>
      store.setMany(entries.map(({ name: key, value }) => ({ key, value })));
    return {
      save: (name, value) => store.set(name, value),
      load: (name) => store.get(name),
      has: (name) => store.has(name),
      saveTogether: setMany,
      fill: setMany,
      list: () => countOfAsync(store.iterator()),
      remove: (name) => store.delete(name),
      removeTogether: (names) => store.delete(names),
      close: () => store.disconnect(),
    };
  },
};

async function openKeyv(folder: string, loadPackage: PackageLoader): Promise<Keyv> {
  const { Keyv } = (await loadPackage("keyv")) as { Keyv: KeyvClass };
  const table = await openSqlite(folder, "TEXT", loadPackage);
  return new Keyv({ store: new SqliteAdapter(table), throwOnErrors: true });
}

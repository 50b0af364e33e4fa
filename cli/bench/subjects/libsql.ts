import { fromBytes, toBytes } from "../cbor.ts";
import { countOf, endOfPrefix } from "../counting.ts";
import type { OpenSubject, Subject } from "../subject.ts";
import type { Entry } from "../values.ts";
import { openSqlite } from "./sqlite.ts";
import { ONLY_COPY, WRITES_AGAIN, withoutVersions } from "./words.ts";

const GIVES_NAMES = "gives names; varve gives each artifact with its digest, size, time, tags and so on";

export const libsql: Subject = {
  name: "libsql",
  does: "SQLite in the process, values encoded with cbor-x",
  packages: ["libsql"],
  durability: "WAL with synchronous=FULL: the WAL is synced before the call returns",
  differs: {
    save: "one connection, synchronous: the thousand callers are one transaction",
    "save-full": "as `save`",
    mixed: "as `save`: the saves of a thousand callers are one transaction",
    delete: "as `save`",
    "save-existing": `as \`save\`; ${WRITES_AGAIN}`,
    list: GIVES_NAMES,
    "list-prefix": GIVES_NAMES,
    "list-tag": `by an index over tags; ${GIVES_NAMES}`,
    compact: "`VACUUM`, and a checkpoint of the WAL",
  },
  unsupported: { ...withoutVersions, rebuild: ONLY_COPY },
  async open(folder, loadPackage): Promise<OpenSubject> {
    const table = await openSqlite(folder, "BLOB", loadPackage);
    const saveBatch = (entries: readonly Entry[]) =>
      table.transaction(() => {
        for (const { name, value } of entries) table.put(name, toBytes(value));
      });
    return {
      save: (name, value) => table.put(name, toBytes(value)),
      load: (name) => fromBytes(table.get(name) as Buffer),
      has: (name) => table.has(name),
      saveTogether: saveBatch,
      saveBatch,
      fill: saveBatch,
      fillTagged: (entries, tagOf) =>
        table.transaction(() => {
          for (const entry of entries) {
            table.put(entry.name, toBytes(entry.value));
            table.tag(entry.name, tagOf(entry));
          }
        }),
      list: () => countOf(table.names()),
      listPrefix: (prefix) => countOf(table.names(prefix, endOfPrefix(prefix))),
      listTag: (tag) => countOf(table.namesOf(tag)),
      remove: (name) => table.remove(name),
      removeTogether: (names) =>
        table.transaction(() => {
          for (const name of names) table.remove(name);
        }),
      compact: () => table.compact(),
      close: async () => table.close(),
    };
  },
};

import { fromBytes, toBytes } from "../cbor.ts";
import type { OpenSubject, Subject } from "../subject.ts";
import type { Entry } from "../values.ts";
import { openSqlite } from "./sqlite.ts";

export const libsql: Subject = {
  name: "libsql",
  does: "SQLite in the process, values encoded with cbor-x",
  packages: ["libsql"],
  durability: "WAL with synchronous=FULL: the WAL is synced before the call returns",
  differs: {
    save: "one connection, synchronous: the thousand callers are one transaction",
    "save-existing": "as `save`; has no deduplication: the value is written again",
    list: "gives names; varve gives each artifact with its digest, size, time, tags and so on",
  },
  unsupported: { rebuild: "its B-tree is the only copy: there is nothing to rebuild it from" },
  async open(folder, loadPackage): Promise<OpenSubject> {
    const table = await openSqlite(folder, "BLOB", loadPackage);
    const saveBatch = (entries: readonly Entry[]) =>
      table.transaction(() => {
        for (const { name, value } of entries) table.put(name, toBytes(value));
      });
    return {
      save: (name, value) => table.put(name, toBytes(value)),
      load: (name) => fromBytes(table.get(name) as Buffer),
      saveTogether: saveBatch,
      saveBatch,
      fill: saveBatch,
      list: () => {
        let count = 0;
        for (const name of table.names()) if (name !== "") count++;
        return count;
      },
      close: async () => table.close(),
    };
  },
};

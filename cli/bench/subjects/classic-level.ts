import { join } from "node:path";
import { fromBytes, toBytes } from "../cbor.ts";
import type { OpenSubject, Subject } from "../subject.ts";
import type { Entry } from "../values.ts";

export const classicLevel: Subject = {
  name: "classic-level",
  does: "LevelDB for Node.js, values encoded with cbor-x",
  packages: ["classic-level"],
  durability: "`sync: true`: fdatasync of LevelDB's log before the promise resolves",
  differs: {
    save: "the thousand callers are one synced batch, which is faster than a thousand synced puts",
    "save-existing": "as `save`; has no deduplication: the value is written again",
    list: "gives keys; varve gives each artifact with its digest, size, time, tags and so on",
  },
  unsupported: { rebuild: "its tables are the only copy: there is nothing to rebuild them from" },
  async open(folder, loadPackage): Promise<OpenSubject> {
    const { ClassicLevel } = (await loadPackage("classic-level")) as typeof import("classic-level");
    const db = new ClassicLevel<string, Uint8Array>(join(folder, "level"), { valueEncoding: "view" });
    await db.open();
    const saveBatch = (entries: readonly Entry[]) =>
      db.batch(
        entries.map(({ name: key, value }) => ({ type: "put", key, value: toBytes(value) })),
        { sync: true },
      );
    return {
      save: (name, value) => db.put(name, toBytes(value), { sync: true }),
      load: async (name) => fromBytes((await db.get(name))!),
      saveTogether: saveBatch,
      saveBatch,
      fill: saveBatch,
      async list() {
        let count = 0;
        for await (const key of db.keys()) if (key !== "") count++;
        return count;
      },
      close: () => db.close(),
    };
  },
};

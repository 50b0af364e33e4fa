import { join } from "node:path";
import { fromBytes, toBytes } from "../cbor.ts";
import { countOfAsync, endOfPrefix } from "../counting.ts";
import type { OpenSubject, Subject } from "../subject.ts";
import type { Entry } from "../values.ts";
import { GIVES_KEYS, NO_TAGS, WRITES_AGAIN, withoutProcesses, withoutVersions } from "./words.ts";

export const classicLevel: Subject = {
  name: "classic-level",
  does: "LevelDB for Node.js, values encoded with cbor-x",
  packages: ["classic-level"],
  durability: "`sync: true`: fdatasync of LevelDB's log before the promise resolves",
  differs: {
    save: "the thousand callers are one synced batch, which is faster than a thousand synced puts",
    "save-full": "as `save`",
    mixed: "as `save`: the saves of a thousand callers are one synced batch",
    delete: "as `save`",
    "save-existing": `as \`save\`; ${WRITES_AGAIN}`,
    list: GIVES_KEYS,
    "list-prefix": GIVES_KEYS,
  },
  unsupported: {
    ...withoutVersions,
    ...withoutProcesses,
    "list-tag": NO_TAGS,
    rebuild: "its tables are the only copy: there is nothing to rebuild them from",
  },
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
      has: (name) => db.has(name),
      saveTogether: saveBatch,
      saveBatch,
      fill: saveBatch,
      list: () => countOfAsync(db.keys()),
      listPrefix: (prefix) => countOfAsync(db.keys({ gte: prefix, lt: endOfPrefix(prefix) })),
      remove: (name) => db.del(name, { sync: true }),
      removeTogether: (names) =>
        db.batch(
          names.map((key) => ({ type: "del", key })),
          { sync: true },
        ),
      compact: () => db.compactRange("", "\u{10ffff}"),
      close: () => db.close(),
    };
  },
};

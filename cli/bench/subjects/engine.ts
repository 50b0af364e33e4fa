import { countOfAsync } from "../counting.ts";
import type { OpenSubject, Subject } from "../subject.ts";
import type { Entry } from "../values.ts";
import { GIVES_KEYS, NO_TAGS, withoutVersions } from "./words.ts";

export const engine: Subject = {
  name: "varve/engine",
  does: "varve's key-value engine: no versions, no metadata",
  packages: [],
  durability: "fdatasync of the log before the promise resolves",
  differs: {
    list: GIVES_KEYS,
    "list-prefix": GIVES_KEYS,
    "save-existing": "values of this size are not deduplicated: they are written again",
  },
  unsupported: { ...withoutVersions, "list-tag": NO_TAGS },
  async open(folder): Promise<OpenSubject> {
    const { openEngine } = await import("../../../engine/key-value.ts");
    const store = await openEngine(folder);
    const saveBatch = (entries: readonly Entry[]) =>
      store.batch(entries.map(({ name: key, value }) => ({ type: "put", key, value })));
    return {
      save: (name, value) => store.put(name, value),
      load: (name) => store.get(name),
      has: (name) => store.has(name),
      saveBatch,
      fill: saveBatch,
      list: () => countOfAsync(store.range({ values: false })),
      listPrefix: (prefix) => countOfAsync(store.range({ prefix, values: false })),
      remove: (name) => store.del(name),
      compact: () => store.compact(),
      rebuild: () => store.rebuildIndex(),
      close: () => store.close(),
    };
  },
};

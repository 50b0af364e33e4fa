import type { OpenSubject, Subject } from "../subject.ts";
import type { Entry } from "../values.ts";

export const engine: Subject = {
  name: "varve/engine",
  does: "varve's key-value engine: no versions, no metadata",
  packages: [],
  durability: "fdatasync of the log before the promise resolves",
  differs: {
    list: "gives keys; varve gives each artifact with its digest, size, time, tags and so on",
    "save-existing": "values of this size are not deduplicated: they are written again",
  },
  unsupported: {},
  async open(folder): Promise<OpenSubject> {
    const { openEngine } = await import("../../../engine/key-value.ts");
    const store = await openEngine(folder);
    const saveBatch = (entries: readonly Entry[]) =>
      store.batch(entries.map(({ name: key, value }) => ({ type: "put", key, value })));
    return {
      save: (name, value) => store.put(name, value),
      load: (name) => store.get(name),
      saveBatch,
      fill: saveBatch,
      async list() {
        let count = 0;
        for await (const [key] of store.range({ values: false })) if (key !== "") count++;
        return count;
      },
      rebuild: () => store.rebuildIndex(),
      close: () => store.close(),
    };
  },
};

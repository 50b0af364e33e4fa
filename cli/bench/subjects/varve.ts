import { countOfAsync } from "../counting.ts";
import type { OpenSubject, Subject } from "../subject.ts";
import type { Entry } from "../values.ts";

export const varve: Subject = {
  name: "varve",
  does: "the artifact store: versions, digests, environment, metadata",
  packages: [],
  durability: "fdatasync of the log before the promise resolves",
  differs: {},
  unsupported: {},
  async open(home): Promise<OpenSubject> {
    const { openStore } = await import("../../../engine/main.ts");
    const store = await openStore({ home });
    const saveBatch = (entries: readonly Entry[]) =>
      store.batch((batch) => {
        for (const { name, value } of entries) batch.save(name, value);
      });
    return {
      save: (name, value) => store.save(name, value),
      load: (name) => store.load(name),
      has: (name) => store.has(name),
      saveBatch,
      fill: saveBatch,
      fillTagged: (entries, tagOf) =>
        store.batch((batch) => {
          for (const entry of entries) batch.save(entry.name, entry.value, { tags: { group: tagOf(entry) } });
        }),
      list: () => countOfAsync(store.list()),
      listPrefix: (prefix) => countOfAsync(store.list({ name: `${prefix}*` })),
      listTag: (group) => countOfAsync(store.list({ tags: { group } })),
      listVersions: (name) => countOfAsync(store.versions(name)),
      remove: (name) => store.delete(`${name}:latest`),
      compact: () => store.compact(),
      rebuild: () => store.rebuildIndex(),
      async sizes() {
        const { logBytes, logOverheadBytes, indexBytes } = await store.stats();
        return { log: logBytes, values: logBytes - logOverheadBytes, index: indexBytes };
      },
      close: () => store.close(),
    };
  },
};

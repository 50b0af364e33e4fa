import { loadLibrary } from "../../library.ts";
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
    const { openStore } = await loadLibrary();
    const store = await openStore({ home });
    const saveBatch = (entries: readonly Entry[]) =>
      store.batch((batch) => {
        for (const { name, value } of entries) batch.save(name, value);
      });
    return {
      save: (name, value) => store.save(name, value),
      load: (name) => store.load(name),
      saveBatch,
      fill: saveBatch,
      async list() {
        let count = 0;
        for await (const artifact of store.list()) if (artifact.size > 0) count++;
        return count;
      },
      rebuild: () => store.rebuildIndex(),
      close: () => store.close(),
    };
  },
};

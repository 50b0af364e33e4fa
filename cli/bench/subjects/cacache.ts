import { fromBytes, toBytes } from "../cbor.ts";
import type { OpenSubject, Subject } from "../subject.ts";
import type { Entry } from "../values.ts";
import { NO_TAGS, withoutVersions } from "./words.ts";

/** The part of cacache that is used; it comes without types. */
interface Cacache {
  put(cache: string, key: string, data: Buffer): Promise<unknown>;
  get: ((cache: string, key: string) => Promise<{ data: Buffer }>) & {
    info(cache: string, key: string): Promise<unknown>;
  };
  rm: { entry(cache: string, key: string, options: { removeFully: boolean }): Promise<unknown> };
  verify(cache: string): Promise<unknown>;
  ls(cache: string): Promise<Record<string, unknown>>;
}

const NO_OPEN = "has nothing to open: the time is that of the first load in a process";

export const cacache: Subject = {
  name: "cacache",
  does: "npm's content-addressed cache, values encoded with cbor-x",
  packages: ["cacache"],
  durability: "none: it never syncs, so a power cut may lose what was saved",
  differs: {
    save: "never synced",
    "save-one": "never synced",
    "save-full": "never synced",
    mixed: "never synced",
    delete: "never synced",
    compact: "`verify`, which reads and checks all that stays",
    "save-existing": "never synced; the content has one copy, but is written again each time",
    open: NO_OPEN,
    "open-killed": NO_OPEN,
  },
  unsupported: {
    ...withoutVersions,
    "list-prefix": "`ls` goes through all",
    "list-tag": NO_TAGS,
    batch: "has no transactions",
    rebuild: "its index files are the only copy of the names",
  },
  async open(folder, loadPackage): Promise<OpenSubject> {
    const { default: store } = (await loadPackage("cacache")) as { default: Cacache };
    const save = (name: string, value: unknown) => store.put(folder, name, toBytes(value));
    return {
      save,
      load: async (name) => fromBytes((await store.get(folder, name)).data),
      has: async (name) => (await store.get.info(folder, name)) != null,
      fill: (entries: readonly Entry[]) => Promise.all(entries.map(({ name, value }) => save(name, value))),
      list: async () => Object.keys(await store.ls(folder)).length,
      remove: (name) => store.rm.entry(folder, name, { removeFully: true }),
      compact: () => store.verify(folder),
      close: async () => {},
    };
  },
};

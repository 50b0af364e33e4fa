/** What varve is measured against beside stores: each for the workloads it is about. */

import { createHash } from "node:crypto";
import { closeSync, fdatasyncSync, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { fromBytes, toBytes } from "../cli/bench/cbor.ts";
import { countOf } from "../cli/bench/counting.ts";
import type { OpenSubject, Subject } from "../cli/bench/subject.ts";
import { openLmdb } from "../cli/bench/subjects/lmdb.ts";
import { subjects } from "../cli/bench/subjects.ts";
import type { Entry } from "../cli/bench/values.ts";
import { parts } from "./parts.ts";

/** What a durable save can't be faster than: no index, no checksum, nothing but the value. */
const append: Subject = {
  name: "append",
  does: "bare append of the value to a file and fdatasync, on the calling thread: no store",
  packages: [],
  durability: "fdatasync of the file before the call returns",
  differs: { "save-one": "no store: nothing finds the value again when the process has ended" },
  unsupported: {},
  only: ["save-one"],
  async open(folder): Promise<OpenSubject> {
    const file = openSync(join(folder, "values"), "a+");
    const places = new Map<string, { offset: number; length: number }>();
    let end = 0;
    const save = (name: string, value: unknown): void => {
      const bytes = toBytes(value);
      writeSync(file, bytes);
      fdatasyncSync(file);
      places.set(name, { offset: end, length: bytes.length });
      end += bytes.length;
    };
    return {
      save,
      load(name) {
        const { offset, length } = places.get(name)!;
        const bytes = Buffer.alloc(length);
        readSync(file, bytes, 0, length, offset);
        return fromBytes(bytes);
      },
      has: (name) => places.has(name),
      fill(entries: readonly Entry[]) {
        for (const { name, value } of entries) save(name, value);
      },
      list: () => places.size,
      close: async () => closeSync(file),
    };
  },
};

/** What `list` of varve gives of each artifact, as one row: the same for a store that has nothing else to do. */
function rowOf({ name, value }: Entry, sequence: number): object {
  const bytes = toBytes(value);
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  return {
    ...{ name, version: 0, ref: `${name}:0`, digest, mediaType: "application/cbor", size: bytes.length },
    ...{ createdAt: new Date(), sequence, backend: "varve", createdBy: "user", inputs: [], tags: {} },
    ...{ metadata: {}, aliases: [], deleted: false },
  };
}

const lmdbRows: Subject = {
  name: "lmdb/rows",
  does: "lmdb-js alone, a row for each artifact with all that `list` of varve gives, decoded",
  packages: [],
  durability: "`flushed` awaited",
  differs: {
    list: "a row of its own has the facts; the environment is left out, which varve has once for many",
  },
  unsupported: {},
  only: ["list"],
  async open(folder, loadPackage): Promise<OpenSubject> {
    const db = await openLmdb(folder, loadPackage);
    let sequence = 0;
    const fill = async (entries: readonly Entry[]): Promise<void> => {
      await db.batch(() => {
        for (const entry of entries) db.put(entry.name, rowOf(entry, ++sequence));
      });
      await db.flushed;
    };
    return {
      save: (name, value) => fill([{ name, value } as Entry]),
      load: (name) => db.get(name),
      has: (name) => db.doesExist(name),
      fill,
      list: () => countOf(db.getRange()),
      close: () => db.close(),
    };
  },
};

export const references: readonly Subject[] = [append, lmdbRows, parts];
/** All that the benchmark measures. */
export const measured: readonly Subject[] = [...subjects, ...references];

import type { Fault } from "./fault.ts";

/** Of room on the disk. */
export const spaceFaults: Fault[] = [
  {
    name: "a group is begun without room for the index",
    file: "engine/commit.ts",
    text: "      this.#end.space.checkGroup(items.length, bytes);\n",
    replacement: "",
    tests: ["engine/commit.test.ts", "engine/commit-failing.test.ts"],
  },
  {
    name: "a full disk ends the process that makes an index",
    file: "engine/index/lmdb-files.ts",
    text: "  ensureLockFile(folder, readersMax);\n",
    replacement: "",
    tests: ["crash/full-disk.test.ts"],
  },
  {
    name: "many small operations take no room",
    file: "engine/commit.ts",
    text: "export const OPERATION_BYTES = 2048;",
    replacement: "export const OPERATION_BYTES = 0;",
    tests: ["engine/free-space.test.ts"],
  },
  {
    name: "operations of an engine's batch take no room",
    file: "engine/key-value.ts",
    text: "let bytes = OPERATION_BYTES * operations.length;",
    replacement: "let bytes = operations.length - operations.length;",
    tests: ["engine/free-space.test.ts"],
  },
  {
    name: "operations of a store's batch take no room",
    file: "engine/batch.ts",
    text: "this.length * OPERATION_BYTES",
    replacement: "0",
    tests: ["engine/free-space.test.ts"],
  },
  {
    name: "an item is let through by what is free before it",
    file: "engine/free-space.ts",
    text: "const left = this.#bytes - this.#promised - bytes;",
    replacement: "const left = this.#bytes - this.#promised;",
    tests: ["engine/free-space.test.ts"],
  },
  {
    name: "items of one group have the same room",
    file: "engine/free-space.ts",
    text: "    this.#promised += bytes;\n",
    replacement: "",
    tests: ["engine/free-space.test.ts"],
  },
  {
    name: "a large value that is put takes no room",
    file: "engine/key-value.ts",
    text: "return payload.payload.length + (blob?.bytes.length ?? 0);",
    replacement: "return payload.payload.length;",
    tests: ["engine/free-space.test.ts"],
  },
];

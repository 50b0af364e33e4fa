import type { Fault } from "./fault.ts";

const PARTS = "metadata/parts.test.ts";
const ARRAYS = "metadata/arrays.test.ts";

/** Commits to SQL databases in parts, and columns as arrays. */
export const sqlPartsFaults: Fault[] = [
  {
    name: "sql: what an earlier part saved is taken for new by the next ones",
    file: "adapters/metadata/state.ts",
    text: "    this.newVersions.clear();\n",
    replacement: "",
    tests: [PARTS],
  },
  {
    name: "sql: tags that an earlier part wrote stay when a later one changes them",
    file: "adapters/metadata/state.ts",
    text: "retagged: copies(this.retagged.values()),",
    replacement: "retagged: copies([]),",
    tests: [PARTS],
  },
  {
    name: "sql: a name that an earlier part made is made again",
    file: "adapters/metadata/state.ts",
    text: "      state.isNew = false;\n",
    replacement: "",
    tests: [PARTS],
  },
  {
    name: "sql: a statement is taken for rows whose columns are in another order",
    file: "adapters/metadata/insert.ts",
    text: "columns.join()",
    replacement: "columns.length",
    tests: ["metadata/insert.test.ts"],
  },
  {
    name: "sql: what failed because of a part that the database refused hides why it did",
    file: "adapters/metadata/transaction.ts",
    text: "    await writing;\n    throw error;",
    replacement: "    await writing?.catch(() => {});\n    throw error;",
    tests: [PARTS],
  },
  {
    name: "the rest of a password is taken for a database",
    file: "adapters/metadata/url.ts",
    text: "  if (isCutInPassword(parsed)) throw isNone();\n",
    replacement: "  void isCutInPassword;\n",
    tests: ["metadata/url.test.ts"],
  },
  {
    name: "sql: who has read a whole batch is told that it is forgotten",
    file: "adapters/metadata/feed.ts",
    text: "read = isWhole ? end.sequence : end.sequence - 1;",
    replacement: "read = end.sequence - 1;",
    tests: ["metadata/feed.test.ts"],
  },
  {
    name: "sql: a batch of which a part was read passes for one that was read",
    file: "adapters/metadata/feed.ts",
    text: "const isWhole = next.sequence !== end.sequence;",
    replacement: "const isWhole = next.sequence !== end.sequence || next.ordinal > 0;",
    tests: ["metadata/feed.test.ts"],
  },
  {
    name: "sql: large numbers in arrays lose what is above 32 bits",
    file: "adapters/metadata/dialects/postgresql-arrays.ts",
    text: "const high = Math.floor(value / 2 ** 32);",
    replacement: "const high = value < 0 ? -1 : 0;",
    tests: [ARRAYS],
  },
  {
    name: "sql: a missing text in an array is an empty one",
    file: "adapters/metadata/dialects/postgresql-arrays.ts",
    text: "at = array.writeInt32BE(NULL, at);",
    replacement: "at = array.writeInt32BE(0, at);",
    tests: [ARRAYS],
  },
];

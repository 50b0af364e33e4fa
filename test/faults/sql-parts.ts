import type { Fault } from "./fault.ts";

const PARTS = "metadata/parts.test.ts";
const ARRAYS = "metadata/arrays.test.ts";
const TLS = "metadata/tls.test.ts";
const READING = "metadata/reading.test.ts";
const COPY = "metadata/copy.test.ts";
const CONFORMANCE = "metadata/sqlite-conformance.test.ts";

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
    text: "retagged: [...this.retagged.values()],",
    replacement: "retagged: [],",
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
    file: "adapters/metadata/dialects/postgresql-values.ts",
    text: "const high = Math.floor(value / 2 ** 32);",
    replacement: "const high = value < 0 ? -1 : 0;",
    tests: [ARRAYS],
  },
  {
    name: "sql: a missing text in an array is an empty one",
    file: "adapters/metadata/dialects/postgresql-values.ts",
    text: "return putInt32(bytes, NULL, at);",
    replacement: "return putInt32(bytes, 0 * NULL, at);",
    tests: [ARRAYS],
  },
  {
    name: "sql: a short text that is not ASCII loses what is above it",
    file: "adapters/metadata/dialects/postgresql-values.ts",
    text: "    if (character > ASCII_MAX) return bytes.write(text, at);\n",
    replacement: "    void ASCII_MAX;\n",
    tests: [COPY],
  },
  {
    name: "sql: a row that is copied is cut where its room ends",
    file: "adapters/metadata/dialects/postgresql-copy.ts",
    text: "if (at + room > bytes.length) bytes",
    replacement: "if (at + room < 0) bytes",
    tests: [COPY],
  },
  {
    name: "sql: a failure of rows that were copied is passed over",
    file: "adapters/metadata/dialects/postgresql-copy.ts",
    text: "new Copy(tables, (error) => (error ? reject(error) : resolve()))",
    replacement: "new Copy(tables, (error) => (error && !reject ? reject : resolve)())",
    tests: [PARTS],
  },
  {
    name: "sql: rows that can't be copied are copied again and again",
    file: "adapters/metadata/dialects/postgresql.ts",
    text: "      this.#onNoCopies();\n",
    replacement: "      void this.#onNoCopies;\n",
    tests: [COPY],
  },
  {
    name: "sql: a read that failed is never answered",
    file: "adapters/metadata/dialects/postgresql-read.ts",
    text: "    this.#onEnd(error, []);\n",
    replacement: "    void error;\n",
    tests: [READING],
  },
  {
    name: "sql: a statement that failed passes for one that the server knows",
    file: "adapters/metadata/dialects/postgresql-read.ts",
    text: "if (connection.parsedStatements[name] === undefined) connection.parse({ name, text });",
    replacement:
      "if (connection.parsedStatements[name] === undefined) connection.parse({ name, text });\n    connection.parsedStatements[name] = text;",
    tests: [READING],
  },
  {
    name: "sql: bytes are read in the one form that they usually have",
    file: "adapters/metadata/dialects/postgresql.ts",
    text: "types.getTypeParser(oid)]),\n",
    replacement:
      'oid === 17 ? (text: string) => Buffer.from(text.slice(2), "hex") : types.getTypeParser(oid)]),\n',
    tests: [READING],
  },
  {
    name: "sql: a certificate that is not there passes for a server that does not answer",
    file: "adapters/metadata/dialects/postgresql.ts",
    text: '["sslrootcert", "sslcert", "sslkey"]',
    replacement: '["sslcert", "sslkey"]',
    tests: [TLS],
  },
  {
    name: "sql: an address is taken for the name in a certificate",
    file: "adapters/metadata/dialects/mysql.ts",
    text: "if (ssl?.verifyIdentity && !socketPath && isIP(url.host)) throw noName();",
    replacement: "if (ssl?.verifyIdentity && !url.host && isIP(url.host)) throw noName();",
    tests: [TLS],
  },
  {
    name: "sql: whoever has given a certificate is trusted",
    file: "adapters/metadata/dialects/mysql-tls.ts",
    text: "rejectUnauthorized: verify || (ca !== undefined",
    replacement: "rejectUnauthorized: !verify && (ca !== undefined",
    tests: [TLS],
  },
  {
    name: "sql: who only wants encryption has the certificate checked",
    file: "adapters/metadata/dialects/postgresql.ts",
    text: 'query.set("uselibpqcompat", "true");',
    replacement: 'query.delete("uselibpqcompat");',
    tests: [TLS],
  },
  {
    name: "sql: each page of a list goes through those before",
    file: "adapters/metadata/list.ts",
    text: '.where("n.name", behind, name).where("v.name", behind, name)',
    replacement: '.where("n.name", behind, name)',
    tests: ["metadata/pages.test.ts"],
  },
  {
    name: "sql: what a save gives is the caller's own",
    file: "adapters/metadata/rows.ts",
    text: "made && isFlat(made.metadata) ? { ...made.metadata }",
    replacement: "made && isFlat(made.metadata) ? made.metadata",
    tests: [CONFORMANCE],
  },
  {
    name: "sql: what a save gives is not what is kept of it",
    file: "adapters/metadata/rows.ts",
    text: "if (!isKept && each !== null) return false;",
    replacement: "void isKept;",
    tests: [CONFORMANCE],
  },
  {
    name: "sql: a save gives a version as a later unit of the transaction leaves it",
    file: "adapters/metadata/apply.ts",
    text: ": { row: { ...row }, aliases };",
    replacement: ": { row, aliases };",
    tests: [CONFORMANCE],
  },
];

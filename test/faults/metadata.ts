import type { Fault } from "./fault.ts";

const QUEUE = "adapters/metadata/commit-queue.ts";
const MIGRATE = "adapters/metadata/migrate.ts";
const SQLITE = "adapters/metadata/dialects/sqlite.ts";
const MYSQL = "adapters/metadata/dialects/mysql.ts";
const POOL = "adapters/metadata/pool.ts";
const DRIVER = "adapters/metadata/driver.ts";
const network = ["metadata/network.test.ts"];
const conformance = ["metadata/sqlite-conformance.test.ts"];
const compaction = ["metadata/compact.test.ts"];

/** Of metadata in SQL databases. Most are noticed by real servers only: `test/services/start.ts` starts them. */
export const metadataFaults: Fault[] = [
  {
    name: "a commit whose reply was lost is made again",
    file: QUEUE,
    text: "      if (await this.#resolveDoubt(outcome.mark, outcome.error)) return outcome.results;\n",
    replacement: "      void this.#resolveDoubt;\n",
    tests: network,
  },
  {
    name: "a commit whose reply was lost passes for one that was made",
    file: QUEUE,
    text: "if (await this.#resolveDoubt(outcome.mark, outcome.error)) return outcome.results;",
    replacement:
      "if (await this.#resolveDoubt(outcome.mark, outcome.error).then(() => true)) return outcome.results;",
    tests: network,
  },
  {
    name: "nobody is told that a commit may have been made",
    file: QUEUE,
    text: "throw unknownOutcome(cause);",
    replacement: "throw cause;",
    tests: network,
  },
  {
    name: "a transaction that lost its connection is given up",
    file: QUEUE,
    text: "return isInTime && tries <= 3;",
    replacement: "return isInTime && tries <= 0;",
    tests: network,
  },
  {
    name: "a commit that may have been made is made again unit by unit",
    file: QUEUE,
    text: "  if (outcome !== undefined) return false;\n",
    replacement: "  void outcome;\n",
    tests: ["metadata/doubt.test.ts"],
  },
  {
    name: "a connection to SQLite that is given up keeps its lock",
    file: SQLITE,
    text: 'database.exec("rollback");',
    replacement: "void database;",
    tests: ["metadata/sqlite.test.ts"],
  },
  {
    name: "sql: an alias that is given back is forgotten",
    file: "adapters/metadata/state.ts",
    text: "      state.hasAllAliases = hasAllAliases;\n",
    replacement: "      void hasAllAliases;\n",
    tests: conformance,
  },
  {
    name: "a certificate that is to be checked does not ask for encryption",
    file: "adapters/metadata/dialects/mysql-tls.ts",
    text: 'isOn(query, "ssl") || verify ||',
    replacement: 'isOn(query, "ssl") ||',
    tests: ["metadata/mysql-tls.test.ts"],
  },
  {
    name: "the URL of a slow server gives no more time than there is without it",
    file: "adapters/metadata/open.ts",
    text: "limitsOf({ ...options, ...connectWaitOf(parsed) })",
    replacement:
      "limitsOf({ ...connectWaitOf(parsed), ...options, connectWaitMax: options.connectWaitMax! })",
    tests: ["metadata/open.test.ts"],
  },
  {
    name: "one unit that the database does not take fails those beside it",
    file: QUEUE,
    text: "if (isOfContents(error)) await this.#commitEach(calls, deadline);",
    replacement: "if (isOfContents(error) && calls.length === 0) await this.#commitEach(calls, deadline);",
    tests: ["metadata/contents.test.ts"],
  },
  {
    name: "who looks a commit up does not wait for it",
    file: "adapters/metadata/transaction.ts",
    text: "    const { horizon } = await lockCounter(transaction, dialect);\n    const row",
    replacement: "    const horizon = 0;\n    const row",
    tests: network,
  },
  {
    name: "a newer database is written to",
    file: MIGRATE,
    text: "  if ((found?.schema ?? 0) > migrations.length) throw newer(found!.schema, dialect);\n",
    replacement: "",
    tests: ["metadata/open.test.ts"],
  },
  {
    name: "the database of another store is taken",
    file: MIGRATE,
    text: "if (storeId === undefined || found === storeId) return found;",
    replacement: "if (storeId !== found || found === storeId) return found;",
    tests: ["metadata/open.test.ts"],
  },
  {
    name: "a unit that failed leaves what it had done",
    file: "adapters/metadata/apply.ts",
    text: "    return { sequence: state.sequence, touched, deleted: run.deleted, removedAliases: run.removedAliases };\n  } catch (error) {\n    state.undoUnit();\n",
    replacement:
      "    return { sequence: state.sequence, touched, deleted: run.deleted, removedAliases: run.removedAliases };\n  } catch (error) {\n",
    tests: conformance,
  },
  {
    name: "a list goes on at the wrong versions of a name",
    file: "adapters/metadata/list.ts",
    text: 'const older = reverse ? ">" : "<";',
    replacement: 'const older = reverse ? "<" : ">";',
    tests: conformance,
  },
  {
    name: "a prefix ends at the byte behind its last unit",
    file: "adapters/metadata/list.ts",
    text: "last + 1 >= SURROGATES_START && last + 1 <= SURROGATES_END ? SURROGATES_END + 1 : last + 1",
    replacement: "last + 1 + 0 * SURROGATES_START * SURROGATES_END",
    tests: ["metadata/url.test.ts"],
  },
  {
    name: "SQLite goes on with a connection that sees no change any more",
    file: SQLITE,
    text: "if (!(isBusy(error) && sql === BEGIN)) this.destroy();",
    replacement: "void BEGIN;",
    tests: ["metadata/sqlite.test.ts"],
  },
  {
    name: "a file of SQLite that is only read, or another's, is changed",
    file: SQLITE,
    text: "if (!readOnly && (create || hasOurTables(database)))",
    replacement: "if (readOnly || create || hasOurTables !== undefined)",
    tests: ["metadata/sqlite.test.ts"],
  },
  {
    name: "who waits for a lock for ever does not wait at all",
    file: "adapters/metadata/open.ts",
    text: "Math.min(options.lockWaitMax ?? LOCK_WAIT_MAX, WAIT_MAX - LONGER_THAN_LOCK)",
    replacement: "options.lockWaitMax ?? LOCK_WAIT_MAX",
    tests: ["metadata/sqlite.test.ts"],
  },
  {
    name: "a transaction of SQLite is begun by a statement that is kept",
    file: SQLITE,
    text: "if (!prepare && parameters.length === 0) return this.#runOnce(sql);",
    replacement: "if (!prepare && sql === '') return this.#runOnce(sql);",
    tests: ["metadata/sqlite.test.ts"],
  },
  {
    name: "MariaDB is sent more than it takes",
    file: MYSQL,
    text: "    if (bytesOf(values) > this.bytesMax) throw tooLong(this.bytesMax);\n",
    replacement: "    if (bytesOf(values) < 0) throw tooLong(this.bytesMax);\n",
    tests: ["metadata/contents.test.ts"],
  },
  {
    name: "a connection that was given up is used again",
    file: POOL,
    text: "if (session.isLost || this.#isClosed) {",
    replacement: "if (this.#isClosed) {",
    tests: ["metadata/network.test.ts", "metadata/server.test.ts"],
  },
  {
    name: "an answer that does not come is waited for",
    file: DRIVER,
    text: "const timer = setTimeout(() => reject(this.#late()), this.#pool.limits.statementWaitMax);",
    replacement: "const timer = setTimeout(() => reject(this.#late()), 2 ** 30);",
    tests: network,
  },
  {
    name: "who gives a wrong password is not told so",
    file: "adapters/metadata/dialects/postgresql.ts",
    text: 'new Set(["28P01", "28000", "42501"])',
    replacement: 'new Set(["42501"])',
    tests: ["metadata/open.test.ts"],
  },
  {
    name: "who reads operations is not told that the rest is forgotten",
    file: "adapters/metadata/feed.ts",
    text: "if (horizon > read) throw",
    replacement: "if (horizon > read && read === after) throw",
    tests: conformance,
  },
  {
    name: "code that was removed passes for there",
    file: "adapters/metadata/documents.ts",
    text: "if (removals === this.#removals) return;",
    replacement: "if (removals === this.#removals || removals > 0) return;",
    tests: conformance,
  },
  {
    name: "code that is named meanwhile is removed",
    file: "adapters/metadata/unnamed.ts",
    text: "part.filter((digest) => !named.has(keyOf(digest)))",
    replacement: "part.filter((digest) => named && digest)",
    tests: compaction,
  },
  {
    name: "a version that was brought back is removed",
    file: "adapters/metadata/compact.ts",
    text: '      .where("deleted", "<=", before)\n',
    replacement: "",
    tests: compaction,
  },
  {
    name: "edges of versions that are gone stay",
    file: "adapters/metadata/compact.ts",
    text: "    await removeEdges(db, going);\n",
    replacement: "    if (before < 0) await removeEdges(db, going);\n",
    tests: conformance,
  },
  {
    name: "the first version of a name is removed",
    file: "adapters/metadata/compact.ts",
    text: "v.version > 0 and v.version < (",
    replacement: "v.version < (",
    tests: conformance,
  },
  {
    name: "a commit in doubt whose operation is forgotten is made again",
    file: "adapters/metadata/transaction.ts",
    text: "    if (row === undefined && horizon >= sequence) throw forgotten(sequence);\n",
    replacement: "    if (horizon < 0) throw forgotten(sequence);\n",
    tests: compaction,
  },
  {
    name: "a version that goes while it is read passes for damage",
    file: "adapters/metadata/reading.ts",
    text: "if (left.length === rows.length) throw error;",
    replacement: "if (left.length <= rows.length) throw error;",
    tests: compaction,
  },
  {
    name: "the horizon passes for a gap",
    file: "adapters/metadata/check.ts",
    text: "o.sequence > 1 + (select max(c.horizon) from varve_counter c)",
    replacement: "o.sequence > 1",
    tests: conformance,
  },
];

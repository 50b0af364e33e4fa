import { unavailable } from "./failure.ts";
import type { SessionPool } from "./pool.ts";
import type { CompiledQuery, DatabaseConnection, Driver, QueryResult } from "./query-builder.ts";
import { Kysely } from "./query-builder.ts";
import type { Db } from "./schema.ts";
import type { Answer, Column, CopiedRows, RunOptions, Session } from "./session.ts";

/** A query builder over a pool of connections. Whatever fails is a `VarveError`. */
export function queryBuilderOn(pool: SessionPool): Db {
  return new Kysely({ dialect: { ...pool.dialect.kysely, createDriver: () => new PooledDriver(pool) } });
}

/** A statement that is read with, and the columns of its answer. */
export interface FixedQuery {
  sql: string;
  columns: readonly Column[];
}

/** Without the query builder, which takes about as long for a statement that is built as the database does for one row. */
export async function readFixed(
  pool: SessionPool,
  { sql, columns }: FixedQuery,
  parameters: readonly unknown[],
): Promise<unknown[]> {
  const session = await pool.acquire();
  try {
    return (await new Connection(session, pool).run(sql, parameters, { prepare: true, columns })).rows;
  } finally {
    pool.release(session);
  }
}

/** Longer ones are those that insert many rows, of which there are as many as numbers of rows. */
const PREPARED_CHARACTERS_MAX = 4096;

/** Statements for which {@link Connection} is told otherwise. */
const prepared = new WeakSet<object>();

/** It comes again and again. */
export function toBePrepared<R>(query: CompiledQuery<R>): CompiledQuery<R> {
  prepared.add(query);
  return query;
}

/** Statements that are rows to be copied. */
const copied = new WeakMap<object, readonly CopiedRows[]>();

/** @param query any: it stands for them on its way to the connection */
export function toBeCopied(query: CompiledQuery, tables: readonly CopiedRows[]): CompiledQuery {
  const standing = { ...query };
  copied.set(standing, tables);
  return standing;
}

class Connection implements DatabaseConnection {
  readonly session: Session;
  readonly #pool: SessionPool;

  constructor(session: Session, pool: SessionPool) {
    this.session = session;
    this.#pool = pool;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const tables = copied.get(query);
    if (tables) {
      await this.#inTime(this.session.copy!(tables));
      return { rows: [] };
    }
    const prepare = prepared.has(query) || query.sql.length <= PREPARED_CHARACTERS_MAX;
    const { rows, changed } = await this.run(query.sql, query.parameters, { prepare });
    return { rows: rows as R[], numAffectedRows: BigInt(changed) };
  }

  run(sql: string, parameters: readonly unknown[], options: RunOptions): Promise<Answer> {
    return this.#inTime(this.session.run(sql, parameters, options));
  }

  #inTime<T>(running: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(this.#late()), this.#pool.limits.statementWaitMax);
      running.then(
        (result) => {
          clearTimeout(timer);
          resolve(result);
        },
        (error) => {
          clearTimeout(timer);
          reject(this.#pool.dialect.explain(error));
        },
      );
    });
  }

  /** What the statement is at is known to nobody any more, nor is what comes back. */
  #late(): Error {
    this.session.destroy();
    const { location } = this.#pool.dialect;
    return unavailable("late", `${location} did not answer within ${this.#pool.limits.statementWaitMax} ms`);
  }

  // biome-ignore lint/correctness/useYield: pages are read instead
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw unavailable("late", "results are read in pages");
  }
}

class PooledDriver implements Driver {
  readonly #pool: SessionPool;

  constructor(pool: SessionPool) {
    this.#pool = pool;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<Connection> {
    return new Connection(await this.#pool.acquire(), this.#pool);
  }

  async beginTransaction(connection: Connection): Promise<void> {
    await connection.run(this.#pool.dialect.begin, [], { prepare: false });
  }

  async commitTransaction(connection: Connection): Promise<void> {
    await connection.run("commit", [], { prepare: false });
  }

  async rollbackTransaction(connection: Connection): Promise<void> {
    try {
      await connection.run("rollback", [], { prepare: false });
    } catch (error) {
      // Nobody may be given a connection with a transaction in it.
      connection.session.destroy();
      throw error;
    }
  }

  async releaseConnection(connection: Connection): Promise<void> {
    this.#pool.release(connection.session);
  }

  destroy(): Promise<void> {
    return this.#pool.close();
  }
}

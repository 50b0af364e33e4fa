import type { VarveError } from "../../engine/main.ts";
import type { ColumnDataType, Dialect, Expression } from "./query-builder.ts";
import type { ColumnKind } from "./schema.ts";

/** What an SQL database is to this adapter: a file under `dialects/` each. */

/** One connection. */
export interface Session {
  /** @throws the driver's own error */
  run(sql: string, parameters: readonly unknown[], options: RunOptions): Promise<Answer>;
  /** Rows of several tables. Where the dialect copies. @throws the driver's own error */
  copy?(tables: readonly CopiedRows[]): Promise<void>;
  /** Whether it has ended by itself, or is in a state that nobody knows. */
  readonly isLost: boolean;
  /** Ends it in peace. */
  close(): Promise<void>;
  /** Ends it at once, whatever it does. */
  destroy(): void;
}

export interface RunOptions {
  /** The statement comes again, with other parameters: to be prepared once. */
  prepare: boolean;
  /** Of the answer, where it is known: they need not be described then. */
  columns?: readonly Column[] | undefined;
}

export interface Answer {
  rows: unknown[];
  changed: number;
}

/** Rows of one table in the form that the database copies. */
export interface CopiedRows {
  sql: string;
  data: Uint8Array;
}

/** Types of columns. */
export interface ColumnTypes {
  /** Up to 512 bytes of UTF-8, compared by bytes. */
  name: ColumnDataType | Expression<unknown>;
  /** ASCII, compared by bytes. */
  word(length: number): ColumnDataType | Expression<unknown>;
  bytes(length: number): ColumnDataType | Expression<unknown>;
  /** Of any length, compared by bytes. */
  text: ColumnDataType | Expression<unknown>;
}

export interface Column {
  name: string;
  kind: ColumnKind;
}

export type KyselyParts = Omit<Dialect, "createDriver">;

export interface SqlDialect {
  /** Such as `postgresql`. */
  readonly name: string;
  readonly isRemote: boolean;
  /** For people: without credentials. */
  readonly location: string;
  readonly sessionsMax: number;
  readonly kysely: KyselyParts;
  readonly types: ColumnTypes;
  /** The statement that begins a transaction. */
  readonly begin: string;
  /** Whether the transaction that begins is the only one that writes, from its beginning on. */
  readonly locksAtBegin: boolean;
  /** Whether tables that were made are gone when the transaction is rolled back; else each statement commits. */
  readonly hasTransactionalTables: boolean;
  /** How many rows the next statement of an insert of `rows` rows takes, and whether to prepare it. */
  rowsPerInsert(rows: number): { count: number; prepare: boolean };
  /** Many values as one parameter, where the database takes them: shorter to send and to plan. `rowsPerInsert` is for the others. */
  readonly arrays?: {
    typeOf(kind: ColumnKind): string;
    encode(kind: ColumnKind, values: readonly unknown[]): Uint8Array;
  };
  /** Many new rows in one piece, where the database takes them: what is shorter goes as arrays. */
  readonly copies?: {
    rowsMin: number;
    encode(table: string, columns: readonly Column[], rows: readonly object[]): CopiedRows;
  };
  /** How `insert` says what becomes of rows that are there already. */
  readonly upsert: "on conflict" | "on duplicate key";
  /** SQL for the bytes that the tables take; undefined where it can't be told. */
  readonly bytesQuery: string | undefined;
  connect(): Promise<Session>;
  /** Whether a driver's error says that there is no such table. */
  isNoTable(error: unknown): boolean;
  /** What a driver's error means. Never throws. */
  explain(error: unknown): VarveError;
}

/** What may be changed of a database. */
export interface SqlAccess {
  /** Make the tables where there are none. */
  create: boolean;
  readOnly: boolean;
}

export interface SessionLimits {
  /** Milliseconds, each. */
  connectWaitMax: number;
  statementWaitMax: number;
  lockWaitMax: number;
}

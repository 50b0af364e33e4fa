/** What the adapter uses of Kysely: the only file that imports it. */
export type {
  ColumnDataType,
  CompiledQuery,
  DatabaseConnection,
  Dialect,
  Driver,
  Expression,
  QueryResult,
  RawBuilder,
  SelectQueryBuilder,
  SqlBool,
} from "kysely";
export {
  Kysely,
  MysqlAdapter,
  MysqlIntrospector,
  MysqlQueryCompiler,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  sql,
} from "kysely";

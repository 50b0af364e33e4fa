import type { Expression, SqlBool } from "./query-builder.ts";
import { sql } from "./query-builder.ts";
import type { SqlDialect } from "./session.ts";

/** Questions for many rows by their keys. */

export interface VersionName {
  name: string;
  version: number;
}

const KEYS_PER_QUERY = 64;
const NAMES_PER_QUERY = 1024;

export function partsOf<T>(items: readonly T[], length: number): T[][] {
  const parts: T[][] = [];
  for (let i = 0; i < items.length; i += length) parts.push(items.slice(i, i + length));
  return parts;
}

/** Names in parts, each for one question. */
export function nameParts(names: Iterable<string>): string[][] {
  return partsOf([...new Set(names)], NAMES_PER_QUERY);
}

/** That a column is one of the names. */
export function isNamed(
  { arrays }: SqlDialect,
  column: string,
  names: readonly string[],
): Expression<SqlBool> {
  if (arrays) return sql<SqlBool>`${sql.ref(column)} = any(${arrays.encode("text", names)})`;
  // Filled up with the last, so that there are few lengths to prepare.
  return sql<SqlBool>`${sql.ref(column)} in (${sql.join(filled([...names]))})`;
}

export function keyParts<T extends VersionName>(keys: Iterable<T>): T[][] {
  const distinct = new Map<string, T>();
  for (const key of keys) distinct.set(`${key.name}:${key.version}`, key);
  return partsOf([...distinct.values()], KEYS_PER_QUERY).map(filled);
}

function filled<T>(part: T[]): T[] {
  let length = 1;
  while (length < part.length) length *= 4;
  return [...part, ...new Array<T>(length - part.length).fill(part.at(-1)!)];
}

/** That two columns are those of one of the keys, in a form that every database finds by its index. */
export function isOneOf(
  nameColumn: string,
  versionColumn: string,
  keys: readonly VersionName[],
): Expression<SqlBool> {
  const name = sql.ref(nameColumn);
  const version = sql.ref(versionColumn);
  const each = keys.map((key) => sql`(${name} = ${key.name} and ${version} = ${key.version})`);
  return sql<SqlBool>`(${sql.join(each, sql` or `)})`;
}

import type { RawBuilder } from "./query-builder.ts";
import { sql } from "./query-builder.ts";
import type { Db } from "./schema.ts";

/** Rows that others miss: nothing that the adapter does leaves such behind, but who changes tables by hand may. */

/** Of each kind. */
const PROBLEMS_MAX = 100;

interface Question {
  /** Gives `name` and `version`, or what else the text is made of. */
  query: RawBuilder<Found>;
  text(found: Found): string;
}

interface Found {
  name: string;
  version: number;
  other: string | number | null;
}

const QUESTIONS: Question[] = [
  {
    query: sql`select n.name, n.latest as version, null as other from varve_names n
      left join varve_versions v on v.name = n.name and v.version = n.latest and v.deleted is null
      where n.latest is not null and v.name is null`,
    text: ({ name, version }) => `the latest version of ${name}, ${version}, is not there or deleted`,
  },
  {
    query: sql`select v.name, v.version, n.latest as other from varve_versions v
      left join varve_names n on n.name = v.name
      where (v.deleted is null and (n.latest is null or n.latest < v.version)) or n.name is null or n.newest < v.version`,
    text: ({ name, version }) => `${name}:${version} is newer than what is said of its name`,
  },
  {
    query: sql`select a.name, a.version, a.alias as other from varve_aliases a
      left join varve_versions v on v.name = a.name and v.version = a.version and v.deleted is null
      where v.name is null`,
    text: ({ name, version, other }) =>
      `${name}@${other} means ${name}:${version}, which is not there or deleted`,
  },
  {
    query: sql`select v.name, v.version, null as other from varve_versions v
      left join varve_documents e on e.digest = v.environment where e.digest is null`,
    text: ({ name, version }) => `the environment of ${name}:${version} is gone`,
  },
  {
    query: sql`select v.name, v.version, null as other from varve_versions v
      left join varve_documents c on c.digest = v.code where v.code is not null and c.digest is null`,
    text: ({ name, version }) => `the code of ${name}:${version} is gone`,
  },
  {
    query: sql`select e.name, e.version, e.input_name as other from varve_edges e
      left join varve_versions v on v.name = e.name and v.version = e.version where v.name is null`,
    text: ({ name, version }) => `lineage names ${name}:${version}, which is not there`,
  },
  {
    query: sql`select o.name, o.sequence as version, null as other from varve_operations o
      left join varve_operations b on b.sequence = o.sequence - 1
      where b.sequence is null and o.sequence > 1 + (select max(c.horizon) from varve_counter c)`,
    text: ({ version }) => `the operation before number ${version} is gone`,
  },
  {
    query: sql`select o.name, o.sequence as version, null as other from varve_operations o
      where o.sequence > (select max(c.sequence) from varve_counter c)`,
    text: ({ version }) => `operation number ${version} is behind the newest one`,
  },
];

export async function findProblems(db: Db, throwIfEnded: () => void): Promise<string[]> {
  const problems: string[] = [];
  for (const { query, text } of QUESTIONS) {
    throwIfEnded();
    const { rows } = await sql<Found>`${query} limit ${sql.lit(PROBLEMS_MAX)}`.execute(db);
    problems.push(...rows.map((row) => text({ ...row, other: textOf(row.other) })));
  }
  return problems;
}

function textOf(value: unknown): string | number | null {
  return value instanceof Uint8Array ? Buffer.from(value).toString() : (value as string | number | null);
}

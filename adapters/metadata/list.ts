import type { ListQuery, VersionRecord } from "../../engine/main.ts";
import { noSuchPlace } from "../../engine/main.ts";
import type { VersionName } from "./keys.ts";
import type { SelectQueryBuilder } from "./query-builder.ts";
import { PAGE_ROWS, type Parts, recordsOf } from "./reading.ts";
import { createdByOf, escaped } from "./rows.ts";
import type { Db, NameRow, Tables, VersionRow } from "./schema.ts";
import { tagHash } from "./write.ts";

/**
 * Lists, a page at a time, each found again by the last row of the page before. No condition has an `or` in it: a place
 * within several columns is asked for in steps, each of which is one range of one index.
 */

/** Of the first page, where little may be wanted. */
const FIRST_PAGE_ROWS = 32;

type Columns = Tables & { v: VersionRow; n: NameRow };
type Query = SelectQueryBuilder<Columns, "v" | "n", VersionRow>;

/** A place in the list: what it is sorted by, and which version. */
interface Place extends VersionName {
  value: number | undefined;
}

export async function* listPages(parts: Parts, query: ListQuery): AsyncGenerator<VersionRecord[]> {
  let left = query.limit;
  if (left <= 0) return;
  let rows = Math.min(PAGE_ROWS, Math.max(FIRST_PAGE_ROWS, left));
  let place = await firstPlace(parts.db, query);
  for (;;) {
    const page = await pageBehind(parts.db, query, place, rows);
    const records = (await recordsOf(parts, page)).filter((record) => query.matches(record));
    if (records.length > 0) yield records.slice(0, left);
    left -= records.length;
    if (left <= 0 || page.length < rows) return;
    place = placeOf(query, page.at(-1)!);
    rows = PAGE_ROWS;
  }
}

function placeOf({ sort }: ListQuery, row: VersionRow): Place {
  const { name, version } = row;
  return { name, version, value: sort === "name" ? undefined : row[COLUMNS[sort]] };
}

const COLUMNS = { createdAt: "created_at", size: "size" } as const;

/** By time and size, rows stay after deletes, and neither ever changes. */
async function firstPlace(db: Db, query: ListQuery): Promise<Place | undefined> {
  const { after, sort } = query;
  if (!after || sort === "name") return after && { ...after, value: undefined };
  const row = await db
    .selectFrom("varve_versions")
    .selectAll()
    .where("name", "=", after.name)
    .where("version", "=", after.version)
    .executeTakeFirst();
  if (row) return placeOf(query, row);
  throw noSuchPlace(after);
}

async function pageBehind(
  db: Db,
  query: ListQuery,
  place: Place | undefined,
  limit: number,
): Promise<VersionRow[]> {
  const rows: VersionRow[] = [];
  for (const step of stepsBehind(query, place)) {
    if (rows.length === limit) break;
    rows.push(
      ...(await step(ordered(query, selected(db, query)))
        .limit(limit - rows.length)
        .execute()),
    );
  }
  return rows;
}

type Step = (query: Query) => Query;

/** The rest of the name, then other names of the same time or size, then what is behind. */
function stepsBehind({ sort, reverse, mode }: ListQuery, place: Place | undefined): Step[] {
  if (!place) return [(query) => query];
  const { name, version, value } = place;
  const behind = reverse ? "<" : ">";
  const older = reverse ? ">" : "<";
  // Of each name there is one: whichever it is now, this one was given. Said of both tables: PostgreSQL, which goes through
  // both side by side, begins with each where it is told to.
  if (sort === "name" && mode === "latest")
    return [(query) => query.where("n.name", behind, name).where("v.name", behind, name)];
  if (sort === "name") {
    return [
      (query) => query.where("v.name", "=", name).where("v.version", older, version),
      (query) => query.where("v.name", behind, name),
    ];
  }
  const column = `v.${COLUMNS[sort]}` as const;
  return [
    (query) => query.where(column, "=", value!).where("v.name", "=", name).where("v.version", older, version),
    (query) => query.where(column, "=", value!).where("v.name", behind, name),
    (query) => query.where(column, behind, value!),
  ];
}

function ordered({ sort, reverse, mode }: ListQuery, query: Query): Query {
  const up = reverse ? "desc" : "asc";
  const down = reverse ? "asc" : "desc";
  if (sort !== "name") {
    return query.orderBy(`v.${COLUMNS[sort]}`, up).orderBy("v.name", up).orderBy("v.version", down);
  }
  // There is one of each name: by its number it need not be sorted.
  if (mode === "latest") return query.orderBy("n.name", up);
  return query.orderBy("v.name", up).orderBy("v.version", down);
}

function selected(db: Db, query: ListQuery): Query {
  const { mode } = query;
  const versions = db.selectFrom("varve_versions as v").selectAll("v");
  const all =
    mode === "latest"
      ? versions.innerJoin("varve_names as n", (join) =>
          join.onRef("n.name", "=", "v.name").onRef("n.latest", "=", "v.version"),
        )
      : versions.where("v.deleted", mode === "live" ? "is" : "is not", null);
  return hinted(named(all as unknown as Query, query), query);
}

function named(query: Query, { prefix, isExact, mode }: ListQuery): Query {
  const columns = mode === "latest" ? (["n.name", "v.name"] as const) : (["v.name"] as const);
  let some = query;
  for (const column of columns) {
    if (isExact) some = some.where(column, "=", prefix);
    else if (prefix !== "") {
      some = some.where(column, ">=", prefix);
      const end = behindPrefix(prefix);
      if (end !== undefined) some = some.where(column, "<", end);
    }
  }
  return some;
}

const SURROGATES_START = 0xd800;
const SURROGATES_END = 0xdfff;
const CODE_POINT_MAX = 0x10ffff;

/** The first text, in the order of bytes of UTF-8, behind all that begin so; undefined where there is none. */
export function behindPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix, (character) => character.codePointAt(0)!);
  while (points.at(-1) === CODE_POINT_MAX) points.pop();
  const last = points.pop();
  if (last === undefined) return undefined;
  const next = last + 1 >= SURROGATES_START && last + 1 <= SURROGATES_END ? SURROGATES_END + 1 : last + 1;
  return String.fromCodePoint(...points, next);
}

/** What the database can leave out by itself: `matches` decides about what it gives. */
function hinted(query: Query, { hints }: ListQuery): Query {
  let some = query;
  if (hints.mediaType !== undefined) some = some.where("v.media_type", "=", escaped(hints.mediaType));
  if (hints.createdBy !== undefined) some = some.where("v.created_by", "=", createdByOf(hints.createdBy));
  if (hints.since !== undefined) some = some.where("v.created_at", ">=", hints.since);
  if (hints.until !== undefined) some = some.where("v.created_at", "<=", hints.until);
  if (hints.minSize !== undefined) some = some.where("v.size", ">=", hints.minSize);
  if (hints.maxSize !== undefined) some = some.where("v.size", "<=", hints.maxSize);
  if (hints.backend !== undefined) some = some.where("v.backend", "=", hints.backend);
  if (hints.digestPrefix) {
    const [first, last] = digestRange(hints.digestPrefix);
    some = some.where("v.digest", ">=", first).where("v.digest", "<=", last);
  }
  for (const [key, value] of Object.entries(hints.tags ?? {})) {
    some = some.where((where) =>
      where.exists(
        where
          .selectFrom("varve_tags as t")
          .select("t.version")
          .where("t.hash", "=", tagHash(key, value))
          .whereRef("t.name", "=", "v.name")
          .whereRef("t.version", "=", "v.version"),
      ),
    );
  }
  return some;
}

const DIGEST_DIGITS = 64;

function digestRange(digits: string): [Buffer, Buffer] {
  const all = (filler: string) =>
    Buffer.from(digits.slice(0, DIGEST_DIGITS).padEnd(DIGEST_DIGITS, filler), "hex");
  return [all("0"), all("f")];
}

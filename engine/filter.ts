import type { JsonObject, ListFilter } from "./api.ts";
import { checkNames, flag, invalid, printed, wholeNumber } from "./argument.ts";
import type { Glob } from "./glob.ts";
import { parseGlob } from "./glob.ts";
import type { Candidate } from "./listing/candidate.ts";
import { FIELD_NEEDS, Needs } from "./listing/candidate.ts";
import { metadataAt, metadataTest } from "./listing/metadata-condition.ts";
import type { Mode, Place } from "./listing/walk.ts";
import { copyMetadata, copyTags } from "./metadata.ts";
import { parseRef } from "./ref.ts";
import type { Facts } from "./where/evaluate.ts";
import { holds } from "./where/evaluate.ts";
import type { Expression } from "./where/expression.ts";
import { fieldsOf } from "./where/expression.ts";
import { parseWhere } from "./where/parser.ts";

/** What conditions look at. */
export interface ListedFacts extends Facts {
  /** When what tells of the version was written: never before it was saved. Milliseconds since 1970. */
  readonly writtenAt: number;
}

/** One thing that a version must fulfil. */
export interface Condition {
  needs: Needs;
  holds(facts: ListedFacts): boolean;
}

/** A list filter, checked and taken apart. */
export interface TakenFilter {
  glob: Glob;
  mode: Mode;
  sort: Sort;
  reverse: boolean;
  limit: number;
  after: Place | undefined;
  /** Hexadecimal digits that the digest begins with. */
  digest: string | undefined;
  /** All must hold; the cheapest first. */
  conditions: Condition[];
}

export type Sort = (typeof SORTS)[number];

const SORTS = ["name", "createdAt", "size"] as const;
const FIELDS: Record<keyof ListFilter, true> = {
  name: true,
  tags: true,
  metadata: true,
  where: true,
  since: true,
  until: true,
  mediaType: true,
  minSize: true,
  maxSize: true,
  digest: true,
  createdBy: true,
  allVersions: true,
  deleted: true,
  sort: true,
  reverse: true,
  limit: true,
  after: true,
  signal: true,
  onProgress: true,
};

/** @throws INVALID_ARGUMENT */
export function takeFilter(filter: ListFilter): TakenFilter {
  checkFields(filter);
  const digest = optional(filter.digest, takeDigest);
  const conditions = [
    ...rowConditions(filter, digest),
    ...timeConditions(filter),
    ...contentConditions(filter),
    ...whereConditions(filter.where),
  ];
  const latest = flag(filter.allVersions, "allVersions") ? "live" : "latest";
  return {
    glob: parseGlob(filter.name ?? "**"),
    mode: flag(filter.deleted, "deleted") ? "deleted" : latest,
    sort: takeSort(filter.sort),
    reverse: flag(filter.reverse, "reverse") ?? false,
    limit: optional(filter.limit, (limit) => wholeNumber(limit, "limit")) ?? Number.POSITIVE_INFINITY,
    after: optional(filter.after, takeCursor),
    digest,
    conditions: conditions.sort((a, b) => a.needs - b.needs),
  };
}

/** Whether all conditions hold; what they need is read as far as earlier ones hold. */
export function passes(conditions: readonly Condition[], candidate: Candidate): boolean | Promise<boolean> {
  for (let i = 0; i < conditions.length; i++) {
    const condition = conditions[i]!;
    const reading = candidate.ready(condition.needs);
    if (reading) return reading.then(() => passes(conditions.slice(i), candidate));
    if (!condition.holds(candidate)) return false;
  }
  return true;
}

function checkFields(filter: ListFilter): void {
  if (typeof filter !== "object" || filter === null) {
    throw invalid("a list filter must be an object", 'for example { name: "iris/**" }');
  }
  checkNames(filter, Object.keys(FIELDS), "there is no list filter");
}

function rowConditions(filter: ListFilter, digest: string | undefined): Condition[] {
  const conditions: Condition[] = [];
  const minSize = optional(filter.minSize, (size) => wholeNumber(size, "minSize"));
  const maxSize = optional(filter.maxSize, (size) => wholeNumber(size, "maxSize"));
  if (minSize !== undefined) conditions.push({ needs: Needs.size, holds: ({ size }) => size >= minSize });
  if (maxSize !== undefined) conditions.push({ needs: Needs.size, holds: ({ size }) => size <= maxSize });
  if (digest !== undefined) {
    const start = `sha256:${digest}`;
    conditions.push({ needs: Needs.digest, holds: (candidate) => candidate.digest.startsWith(start) });
  }
  return conditions;
}

function timeConditions(filter: ListFilter): Condition[] {
  const conditions: Condition[] = [];
  const since = optional(filter.since, (date) => takeDate(date, "since"));
  const until = optional(filter.until, (date) => takeDate(date, "until"));
  if (since !== undefined) {
    // A row is never older than the save it tells of, so most of the old ones need no look at their content.
    conditions.push({ needs: Needs.row, holds: ({ writtenAt }) => writtenAt >= since });
    conditions.push({ needs: Needs.created, holds: ({ createdAt }) => createdAt >= since });
  }
  if (until !== undefined)
    conditions.push({ needs: Needs.created, holds: ({ createdAt }) => createdAt <= until });
  return conditions;
}

function contentConditions(filter: ListFilter): Condition[] {
  const conditions: Condition[] = [];
  const mediaType = optional(filter.mediaType, (text) => takeText(text, "mediaType"));
  const createdBy = optional(filter.createdBy, (text) => takeText(text, "createdBy"));
  if (mediaType !== undefined)
    conditions.push({ needs: Needs.mediaType, holds: (candidate) => candidate.mediaType === mediaType });
  for (const [key, value] of Object.entries(copyTags(filter.tags) ?? {})) {
    const holds = ({ tags }: Facts) => Object.hasOwn(tags, key) && tags[key] === value;
    conditions.push({ needs: Needs.content, holds });
  }
  const metadata: JsonObject = copyMetadata(filter.metadata) ?? {};
  for (const [key, wanted] of Object.entries(metadata)) {
    const test = metadataTest(wanted, `metadata.${key}`);
    conditions.push({
      needs: Needs.content,
      holds: (candidate) => test(metadataAt(candidate.metadata, key)),
    });
  }
  if (createdBy !== undefined)
    conditions.push({ needs: Needs.environment, holds: (candidate) => candidate.createdBy === createdBy });
  return conditions;
}

/** The parts joined by `and` are conditions of their own, so that cheap ones are tried first. */
function whereConditions(where: string | undefined): Condition[] {
  if (where === undefined) return [];
  const expression = parseWhere(where);
  const parts = expression.kind === "and" ? expression.parts : [expression];
  return parts.map((part) => ({ needs: needsOf(part), holds: (candidate) => holds(part, candidate) }));
}

function needsOf(expression: Expression): Needs {
  return [...fieldsOf(expression)].reduce((needs, field) => needs | FIELD_NEEDS[field], Needs.row as Needs);
}

function takeSort(sort: unknown): Sort {
  if (sort === undefined) return "name";
  if (SORTS.includes(sort as Sort)) return sort as Sort;
  throw invalid(`there is no sort ${printed(sort)}`, `there are ${SORTS.join(", ")}`);
}

function takeDigest(digest: unknown): string {
  const parts = typeof digest === "string" ? /^(?:sha256:)?([0-9a-f]{1,64})$/i.exec(digest) : null;
  if (parts) return parts[1]!.toLowerCase();
  throw invalid(
    `not a digest: ${printed(digest)}`,
    "a digest is `sha256:` and up to 64 hexadecimal digits, at least one",
  );
}

function takeCursor(cursor: unknown): Place {
  const ref = typeof cursor === "string" ? parseRef(cursor) : undefined;
  if (ref?.kind === "version") return { name: ref.name, version: ref.version };
  throw invalid(
    `not a place in a list: ${printed(cursor)}`,
    "`after` is the ref of the last artifact that was listed, with its version",
  );
}

function takeDate(date: unknown, field: string): number {
  if (date instanceof Date && !Number.isNaN(date.getTime())) return date.getTime();
  throw invalid(
    `${field} must be a Date, not ${printed(date)}`,
    `for example ${field}: new Date("2026-11-24")`,
  );
}

function takeText(text: unknown, field: string): string {
  if (typeof text === "string") return text;
  throw invalid(`${field} must be a text, not ${printed(text)}`, "it finds what is exactly equal");
}

function optional<T, R>(value: T | undefined, take: (value: T) => R): R | undefined {
  return value === undefined ? undefined : take(value);
}

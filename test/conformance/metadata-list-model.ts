import type { ListQuery, MetadataOperation, MetadataStore, VersionRecord } from "../../engine/main.ts";
import { at, digestOf, hex, START, save, succeeded, unit } from "./metadata-support.ts";

/** Many versions of many names, made at random, and what lists of them should give: by looking at all of them. */

const NAMES = [
  "a",
  "a/b",
  "a/b/c",
  "ab",
  "a b",
  "a_b",
  "a%",
  "b",
  "B",
  "é",
  "e\u0301",
  "\u{1F600}/x",
  "\uFFFD",
  "z",
];
const USERS = ["mia", "MIA", "o'neil"];
const TYPES = ["text/plain", "application/cbor", "TEXT/PLAIN"];
const UNITS_PER_COMMIT = 50;

type Below = (end: number) => number;

export function pick<T>(below: Below, items: readonly T[]): T {
  return items[below(items.length)]!;
}

/** Commits about so many saves, with changes between them; times go back at times. @returns all versions, as `at` gives them */
export async function fill(store: MetadataStore, below: Below, saves: number): Promise<VersionRecord[]> {
  const made = new Map<string, number>();
  const refs: { name: string; version: number }[] = [];
  for (let done = 0; done < saves; done += UNITS_PER_COMMIT) {
    const units = Array.from({ length: UNITS_PER_COMMIT }, () => {
      const name = below(3) === 0 ? `many/${below(120)}` : pick(below, NAMES);
      const version = made.get(name) ?? 0;
      made.set(name, version + 1);
      refs.push({ name, version });
      return unit([randomSave(below, name)], START + done * 10 + below(600));
    });
    for (const result of await store.commit(units)) succeeded(result);
    const changes = Array.from({ length: 20 }, () =>
      unit([change(below, pick(below, refs))], START + done * 10),
    );
    // Of what is deleted by then, some of them fail.
    await store.commit(changes);
  }
  return Promise.all(refs.map(async ({ name, version }) => (await store.at(name, version))!));
}

function randomSave(below: Below, name: string): MetadataOperation {
  const tags: Record<string, string> = {};
  if (below(2) === 0) tags.stage = pick(below, ["dev", "DEV", "live"]);
  if (below(3) === 0) tags["a.b"] = pick(below, ["%", "1"]);
  return save(name, {
    value: { digest: digestOf(`${below(300)}`), size: below(40), mediaType: pick(below, TYPES) },
    environment: below(4) === 0 ? {} : { user: pick(below, USERS) },
    metadata: { number: below(10) },
    tags,
  });
}

function change(below: Below, { name, version }: { name: string; version: number }): MetadataOperation {
  switch (below(5)) {
    case 0:
      return { kind: "alias", name, alias: pick(below, ["x", "y", "z"]), version };
    case 1:
      return { kind: "annotate", target: at(name, version), tags: { stage: pick(below, ["dev", "old"]) } };
    case 2:
      return { kind: "undelete", name, version };
    default:
      return { kind: "delete", target: at(name, version), aliases: true };
  }
}

/** What is kept of a query's hints, in the words of the list filter. */
function hold(hints: ListQuery["hints"], record: VersionRecord): boolean {
  const { tags = {}, mediaType, createdBy, since = 0, until = Number.POSITIVE_INFINITY } = hints;
  const { minSize = 0, maxSize = Number.POSITIVE_INFINITY, digestPrefix = "" } = hints;
  return (
    Object.entries(tags).every(([key, value]) => record.tags[key] === value) &&
    (mediaType === undefined || record.mediaType === mediaType) &&
    (createdBy === undefined || record.environment.user === createdBy) &&
    since <= record.createdAt &&
    record.createdAt <= until &&
    minSize <= record.size &&
    record.size <= maxSize &&
    hex(record.digest).startsWith(digestPrefix)
  );
}

/** A query that asks for anything at all, but `after` and `limit`. */
export function randomQuery(below: Below, records: readonly VersionRecord[]): ListQuery {
  const hints: ListQuery["hints"] = {};
  const some = pick(below, records);
  if (below(5) === 0) hints.tags = { stage: pick(below, ["dev", "live", "none"]) };
  if (below(8) === 0) hints.tags = { ...hints.tags, "a.b": "%" };
  if (below(5) === 0) hints.mediaType = pick(below, TYPES);
  if (below(5) === 0) hints.createdBy = pick(below, [...USERS, "nobody"]);
  if (below(6) === 0) hints.since = some.createdAt;
  if (below(6) === 0) hints.until = pick(below, records).createdAt;
  if (below(6) === 0) hints.minSize = below(40);
  if (below(6) === 0) hints.maxSize = below(40);
  if (below(8) === 0) hints.digestPrefix = hex(some.digest).slice(0, 1 + below(3));
  const number = below(4) === 0 ? below(10) : undefined;
  const isExact = below(8) === 0;
  return {
    mode: pick(below, ["latest", "live", "deleted"]),
    sort: pick(below, ["name", "createdAt", "size"]),
    reverse: below(2) === 0,
    limit: Number.POSITIVE_INFINITY,
    prefix: isExact ? some.name : below(3) === 0 ? some.name.slice(0, 1 + below(3)).toWellFormed() : "",
    isExact,
    hints,
    matches: (record) => hold(hints, record) && (number === undefined || record.metadata.number === number),
  };
}

/** What a query should give. */
export function wanted(records: readonly VersionRecord[], query: ListQuery): VersionRecord[] {
  const { mode, isExact, prefix } = query;
  const order = compare(query);
  const latest = latestVersions(records);
  const found = records
    .filter(({ deleted }) => deleted === (mode === "deleted"))
    .filter(({ name, version }) => mode !== "latest" || latest.get(name) === version)
    .filter(({ name }) => (isExact ? name === prefix : name.startsWith(prefix)))
    .filter(query.matches)
    .sort(order);
  const { after } = query;
  const place =
    after && records.find(({ name, version }) => name === after.name && version === after.version);
  return found.filter((record) => !place || order(record, place) > 0).slice(0, query.limit);
}

/** Of each name that is not deleted as a whole. */
function latestVersions(records: readonly VersionRecord[]): Map<string, number> {
  const latest = new Map<string, number>();
  for (const { name, version, deleted } of records)
    if (!deleted) latest.set(name, Math.max(version, latest.get(name) ?? 0));
  return latest;
}

function compare({ sort, reverse, mode }: ListQuery): (a: VersionRecord, b: VersionRecord) => number {
  const byName = (a: VersionRecord, b: VersionRecord) =>
    Buffer.compare(Buffer.from(a.name), Buffer.from(b.name));
  const bySort = (a: VersionRecord, b: VersionRecord) => (sort === "name" ? 0 : a[sort] - b[sort]);
  // Of a name there is one, so that the list goes on behind the name.
  const byVersion = (a: VersionRecord, b: VersionRecord) =>
    mode === "latest" && sort === "name" ? 0 : b.version - a.version;
  const order = (a: VersionRecord, b: VersionRecord) => bySort(a, b) || byName(a, b) || byVersion(a, b);
  return reverse ? (a, b) => order(b, a) : order;
}

import { hash } from "node:crypto";
import { added, insertsOf, upserted } from "./insert.ts";
import { isOneOf, keyParts, partsOf } from "./keys.ts";
import type { CompiledQuery } from "./query-builder.ts";
import { inputsOf, parseVersionRef, tagsOf } from "./rows.ts";
import type { Db, Tables, VersionRow } from "./schema.ts";
import type { SqlDialect } from "./session.ts";
import type { Changes } from "./state.ts";

/** What a transaction has changed in memory as statements, table by table, many rows at a time. */

const TAG_HASH_BYTES = 16;
const ALIASES_PER_QUERY = 100;

/** They hold all that they write: what changes later is nothing to them. To be run in their order. */
export function writesOf(db: Db, dialect: SqlDialect, changes: Changes): CompiledQuery[] {
  const { versions, changedVersions, addedNames, changedNames, retagged, aliases, operations } = changes;
  const set = aliases.flatMap(({ row }) => (row ? [row] : []));
  return [
    ...insertsOf(db, dialect, [
      upserted("varve_versions", ["name", "version"], changedVersions),
      upserted("varve_names", ["name"], changedNames),
    ]),
    ...keyParts(retagged).map((part) =>
      db
        .deleteFrom("varve_tags")
        .where(isOneOf("name", "version", part))
        .compile(),
    ),
    ...removalsOf(db, aliases),
    ...insertsOf(db, dialect, [
      added("varve_versions", versions),
      added("varve_names", addedNames),
      added("varve_tags", [...versions, ...retagged].flatMap(tagRowsOf)),
      added("varve_edges", versions.flatMap(edgesOf)),
      upserted("varve_aliases", ["name", "alias"], set),
      added("varve_operations", operations),
    ]),
  ];
}

function tagRowsOf({ name, version, tags }: VersionRow): Tables["varve_tags"][] {
  return tags === null ? [] : tagHashes(tags).map((hash) => ({ hash, name, version }));
}

/** By the tags of a version, as JSON: many have the same. */
const hashes = new Map<string, Buffer[]>();
const HASHED_MAX = 1_000;
const HASHED_CHARACTERS_MAX = 256;

function tagHashes(tags: string): Buffer[] {
  const known = hashes.get(tags);
  if (known) return known;
  const made = Object.entries(tagsOf({ tags })).map(([key, value]) => tagHash(key, value));
  if (hashes.size >= HASHED_MAX) hashes.clear();
  if (tags.length <= HASHED_CHARACTERS_MAX) hashes.set(tags, made);
  return made;
}

/** Tags are of up to 4 KiB, which is more than an index takes. */
export function tagHash(key: string, value: string): Buffer {
  return hash("sha256", JSON.stringify([key, value]), "buffer").subarray(0, TAG_HASH_BYTES);
}

export function edgesOf(row: Pick<VersionRow, "name" | "version" | "inputs">): Tables["varve_edges"][] {
  if (row.inputs === null) return [];
  return [...new Set(inputsOf(row))].map((input) => {
    const { name, version } = parseVersionRef(input);
    return { input_name: name, input_version: version, name: row.name, version: row.version };
  });
}

function removalsOf(db: Db, changes: Changes["aliases"]): CompiledQuery[] {
  const gone = changes.filter(({ row }) => row === undefined);
  return [...byName(gone)].flatMap(([name, aliases]) =>
    partsOf(aliases, ALIASES_PER_QUERY).map((part) =>
      db.deleteFrom("varve_aliases").where("name", "=", name).where("alias", "in", part).compile(),
    ),
  );
}

function byName(aliases: readonly { name: string; alias: string }[]): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const { name, alias } of aliases) {
    const others = names.get(name);
    if (others) others.push(alias);
    else names.set(name, [alias]);
  }
  return names;
}

import { hash } from "node:crypto";
import { added, insert, upserted } from "./insert.ts";
import { isOneOf, keyParts, partsOf } from "./keys.ts";
import { inputsOf, parseVersionRef, tagsOf } from "./rows.ts";
import type { Db, Tables, VersionRow } from "./schema.ts";
import type { SqlDialect } from "./session.ts";
import type { Changes } from "./state.ts";

/** Writes what a transaction has changed in memory, table by table, many rows at a time. */

const TAG_HASH_BYTES = 16;
const ALIASES_PER_QUERY = 100;

export async function writeChanges(
  db: Db,
  dialect: SqlDialect,
  changes: Changes,
  token: Uint8Array,
): Promise<void> {
  const { versions, changedVersions, addedNames, changedNames, retagged, aliases, operations } = changes;
  await insert(db, dialect, [
    upserted("varve_versions", ["name", "version"], changedVersions),
    upserted("varve_names", ["name"], changedNames),
  ]);
  for (const part of keyParts(retagged))
    await db
      .deleteFrom("varve_tags")
      .where(isOneOf("name", "version", part))
      .execute();
  await removeAliases(db, aliases);
  const set = aliases.flatMap(({ row }) => (row ? [row] : []));
  await insert(db, dialect, [
    added("varve_versions", versions),
    added("varve_names", addedNames),
    added("varve_tags", [...versions, ...retagged].flatMap(tagRowsOf)),
    added("varve_edges", versions.flatMap(edgesOf)),
    upserted("varve_aliases", ["name", "alias"], set),
    added(
      "varve_operations",
      operations.map((row) => ({ ...row, token })),
    ),
  ]);
}

function tagRowsOf(row: VersionRow): Tables["varve_tags"][] {
  if (row.tags === null) return [];
  const { name, version } = row;
  return Object.entries(tagsOf(row)).map(([key, value]) => ({ hash: tagHash(key, value), name, version }));
}

/** Most tags are those of many versions. */
const HASHES_MAX = 1_000;
const HASHED_CHARACTERS_MAX = 256;
const hashes = new Map<string, Buffer>();

/** Tags are of up to 4 KiB, which is more than an index takes. */
export function tagHash(key: string, value: string): Buffer {
  const text = JSON.stringify([key, value]);
  const known = hashes.get(text);
  if (known) return known;
  const made = hash("sha256", text, "buffer").subarray(0, TAG_HASH_BYTES);
  if (hashes.size >= HASHES_MAX) hashes.clear();
  if (text.length <= HASHED_CHARACTERS_MAX) hashes.set(text, made);
  return made;
}

export function edgesOf(row: Pick<VersionRow, "name" | "version" | "inputs">): Tables["varve_edges"][] {
  if (row.inputs === null) return [];
  return [...new Set(inputsOf(row))].map((input) => {
    const { name, version } = parseVersionRef(input);
    return { input_name: name, input_version: version, name: row.name, version: row.version };
  });
}

async function removeAliases(db: Db, changes: Changes["aliases"]): Promise<void> {
  const gone = changes.filter(({ row }) => row === undefined);
  for (const [name, aliases] of byName(gone)) {
    for (const part of partsOf(aliases, ALIASES_PER_QUERY))
      await db.deleteFrom("varve_aliases").where("name", "=", name).where("alias", "in", part).execute();
  }
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

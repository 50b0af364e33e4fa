import type { DeleteOptions, DeleteReport } from "./api.ts";
import {
  aliasesRange,
  aliasKey,
  parseAliasKey,
  parseVersionKey,
  versionKey,
  versionsRange,
} from "./artifact-key.ts";
import type { VersionContent } from "./artifact-record.ts";
import {
  decodeAliasContent,
  decodeVersionContent,
  isDeleted,
  isToldByContent,
  ValuePlace,
  valuePlace,
} from "./artifact-record.ts";
import { isWhole, notFound } from "./not-found.ts";
import type { FoundVersion } from "./operations.ts";
import { findVersion, rewrite, setAlias } from "./operations.ts";
import type { ParsedRef } from "./ref.ts";
import { compactedAway, hasAliases, notOneVersion } from "./refusals.ts";
import type { Transaction } from "./transaction.ts";

/** Deleting versions and bringing them back, each under the lock: see `operations.ts`. */

export function deleteVersions(
  transaction: Transaction,
  ref: ParsedRef,
  options: DeleteOptions,
): DeleteReport {
  return deleteAll(transaction, ref.name, victimsOf(transaction, ref), options);
}

/** The live versions that a ref means, oldest first. @throws NOT_FOUND */
export function victimsOf(transaction: Transaction, ref: ParsedRef): FoundVersion[] {
  return ref.kind === "all" ? allLive(transaction, ref) : [findVersion(transaction, ref)];
}

/** @throws CONFLICT, before any is deleted */
export function deleteAll(
  transaction: Transaction,
  name: string,
  victims: readonly FoundVersion[],
  options: DeleteOptions,
  change?: VersionContent["change"],
): DeleteReport {
  const report: DeleteReport = { deleted: [], aliases: [] };
  const byVersion = aliasesByVersion(transaction, name);
  for (const { version } of victims) {
    const aliases = byVersion.get(version) ?? [];
    if (aliases.length > 0 && !options.aliases) throw hasAliases(`${name}:${version}`, aliases);
  }
  for (const victim of victims) {
    const aliases = byVersion.get(victim.version) ?? [];
    deleteVersion(transaction, victim, aliases, change);
    report.deleted.push(`${name}:${victim.version}`);
    report.aliases.push(...aliases.map((alias) => `${name}@${alias}`));
  }
  return report;
}

/** @param aliases those of the version, which are removed with it */
export function deleteVersion(
  transaction: Transaction,
  victim: FoundVersion,
  aliases: string[],
  change?: VersionContent["change"],
): void {
  for (const alias of aliases) transaction.delete(aliasKey(victim.name, alias));
  const { blob } = victim.row;
  const { change: _, ...rest } = victim.content;
  const isPurged = change === "purge" && rest.backend !== undefined;
  const content = {
    ...rest,
    ...(change && (isPurged || change !== "purge") && { change }),
    ...(aliases.length > 0 && { removedAliases: aliases }),
    ...(blob && !isToldByContent(victim.row) && { size: blob.payloadLength }),
  };
  rewrite(transaction, victim, content, true, isPurged ? ValuePlace.collected : undefined);
}

/** Of a version that was deleted before, and that a backend keeps: that its value is gone there. False for any other. */
export function purgeDeleted(transaction: Transaction, ref: ParsedRef): boolean {
  if (ref.kind !== "version") return false;
  const key = versionKey(ref.name, ref.version);
  const row = transaction.row(key);
  if (!row || !isDeleted(row)) return false;
  const content = decodeVersionContent(transaction.content(key, row));
  if (!content.backend) return false;
  if (valuePlace(row) === ValuePlace.collected) return true;
  const found = { name: ref.name, version: ref.version, row, content };
  const purged: VersionContent = { ...content, change: "purge", deletion: row.sequence };
  rewrite(transaction, found, purged, true, ValuePlace.collected);
  return true;
}

function allLive(transaction: Transaction, ref: ParsedRef): FoundVersion[] {
  const live = transaction.rows(versionsRange(ref.name)).filter(({ row }) => !isDeleted(row));
  if (live.length === 0) throw notFound(ref);
  return live.reverse().map(({ key, row }) => ({
    ...parseVersionKey(key),
    row,
    content: decodeVersionContent(transaction.content(key, row)),
  }));
}

export function aliasesByVersion(transaction: Transaction, name: string): Map<number, string[]> {
  const byVersion = new Map<number, string[]>();
  for (const { key, row } of transaction.rows(aliasesRange(name))) {
    const version = decodeAliasContent(transaction.content(key, row));
    byVersion.set(version, [...(byVersion.get(version) ?? []), parseAliasKey(key).alias]);
  }
  return byVersion;
}

export function undeleteVersion(transaction: Transaction, ref: ParsedRef): FoundVersion {
  if (ref.kind !== "version") throw notOneVersion(ref);
  const key = versionKey(ref.name, ref.version);
  const row = transaction.row(key);
  if (!row) throw notFound(ref);
  const content = decodeVersionContent(transaction.content(key, row));
  const found = { name: ref.name, version: ref.version, row, content };
  if (!isDeleted(row)) return found;
  if (!isWhole(row, transaction)) throw compactedAway(ref);
  const { removedAliases = [], ...rest } = content;
  // Of a value that is kept whole the blob tells it again.
  if (!isToldByContent(row)) delete rest.size;
  const revived = rewrite(transaction, found, { ...rest, change: "undelete" }, false);
  for (const alias of removedAliases) {
    const free = !transaction.row(aliasKey(ref.name, alias));
    if (free) setAlias(transaction, ref.name, alias, ref.version);
  }
  return revived;
}

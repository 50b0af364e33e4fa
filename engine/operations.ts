import type { Annotation, DeleteOptions, DeleteReport, JsonObject } from "./api.ts";
import type { VersionName } from "./artifact-key.ts";
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
  encodeAliasContent,
  encodeVersionContent,
  isChunked,
  isDeleted,
  isRewritten,
  tagMediaType,
  versionTag,
} from "./artifact-record.ts";
import type { PreparedEnvironment } from "./environment/stored.ts";
import { putEnvironment } from "./environment/stored.ts";
import { VarveError } from "./errors.ts";
import type { Row } from "./index/rows.ts";
import type { PreparedPart } from "./large/part.ts";
import { putPart } from "./large/part.ts";
import { putEdges } from "./lineage/edges.ts";
import { compactedAway, isWhole, notFound } from "./not-found.ts";
import type { ParsedRef } from "./ref.ts";
import { refText, VERSION_MAX } from "./ref.ts";
import type { PreparedBlob, Transaction } from "./transaction.ts";
import { preparePayload } from "./transaction.ts";

/** What the store does to its rows, each under the lock: shared by the single calls and by batches. */

/** A save made ready: only the version is open. */
export interface SavePlan {
  name: string;
  /** The value, or the root of the lists that name its chunks, which are written before. */
  value: PreparedPart;
  isChunked: boolean;
  mediaType: string;
  /** Code too long to stand in the row. */
  code: PreparedBlob | undefined;
  /** Of a directory: see `VersionContent.hasStamps`. */
  stamps: Buffer | undefined;
  content: VersionContent;
  /** The environment that the content names. */
  environment: PreparedEnvironment | undefined;
  /** Resolved under the lock; each must exist. */
  inputs: readonly (() => ParsedRef)[];
  ifVersion: number | "absent" | undefined;
  salt: bigint;
}

const NO_INPUTS: readonly VersionName[] = [];

/** A version as it is in the index. */
export interface FoundVersion {
  name: string;
  version: number;
  row: Row;
  content: VersionContent;
}

export function saveVersion(transaction: Transaction, plan: SavePlan): FoundVersion {
  const { name, value } = plan;
  const oldestKey = versionKey(name, 0);
  const newest = transaction.firstOf(name, () => versionsRange(name), oldestKey);
  const version = (newest ? parseVersionKey(newest.key).version + 1 : 0) + lostVersions(transaction, newest);
  if (version > VERSION_MAX)
    throw new VarveError("NOT_SUPPORTED", `${name} has as many versions as a name can have`);
  if (plan.ifVersion !== undefined) checkLatest(transaction, name, plan.ifVersion);
  const inputs =
    plan.inputs.length > 0 ? plan.inputs.map((input) => resolveInput(transaction, input())) : NO_INPUTS;
  const content = inputs.length > 0 ? { ...plan.content, inputs: inputs.map(versionText) } : plan.content;
  if (plan.environment) putEnvironment(transaction, plan.environment);
  if (inputs.length > 0) putEdges(transaction, inputs, { name, version });
  putPart(transaction, value);
  if (plan.code) transaction.putBlob(plan.code);
  const references = [value.digest];
  if (plan.code) references.push(plan.code.digest);
  if (plan.stamps) references.push(plan.stamps);
  const payload = preparePayload(references, encodeVersionContent(content), plan.salt);
  const state = { deleted: false, rewritten: false, chunked: plan.isChunked };
  const options = { tag: versionTag(plan.mediaType, state), isNew: true };
  const row = transaction.put(version === 0 ? oldestKey : versionKey(name, version), payload, options);
  return { name, version, row, content };
}

/** How many numbers behind the newest known one may have been given to versions that the log has lost. */
function lostVersions(transaction: Transaction, newest: { key: Buffer; row: Row } | undefined): number {
  const gap = transaction.gap();
  if (!gap || (newest && savedAt(transaction, newest) > gap.after)) return 0;
  return gap.lost;
}

/** The operation that saved a version first; 0 when that can't be told. */
function savedAt(transaction: Transaction, { key, row }: { key: Buffer; row: Row }): number {
  if (!isRewritten(row)) return row.sequence;
  try {
    return decodeVersionContent(transaction.content(key, row)).created?.sequence ?? 0;
  } catch {
    return 0;
  }
}

function resolveInput(transaction: Transaction, ref: ParsedRef): VersionName {
  const { name, version } = findVersion(transaction, ref);
  return { name, version };
}

function versionText({ name, version }: VersionName): string {
  return `${name}:${version}`;
}

function checkLatest(transaction: Transaction, name: string, wanted: number | "absent"): void {
  const latest = latestVersion(transaction, name);
  const actual = latest ? latest.version : "absent";
  if (actual === wanted) return;
  throw new VarveError("CONFLICT", `the latest version of ${name} is ${actual}, not ${wanted}`, {
    hint: "somebody saved or deleted in between: load the latest version, and decide again",
    details: { name, latest: actual, ifVersion: wanted },
  });
}

function latestVersion(
  transaction: Transaction,
  name: string,
): { key: Buffer; row: Row; version: number } | undefined {
  let range: ReturnType<typeof versionsRange> & { exclusiveStart?: boolean } = versionsRange(name);
  for (let found = transaction.firstOf(name, () => range); ; found = transaction.first(range)) {
    if (!found) return undefined;
    if (!isDeleted(found.row)) return { ...found, version: parseVersionKey(found.key).version };
    range = { ...range, start: found.key, exclusiveStart: true };
  }
}

/** @throws NOT_FOUND when there is no such live version. */
export function findVersion(transaction: Transaction, ref: ParsedRef): FoundVersion {
  const version = versionOf(transaction, ref);
  const key = version === undefined ? undefined : versionKey(ref.name, version);
  const row = key && transaction.row(key);
  if (version === undefined || !key || !row || isDeleted(row)) throw notFound(ref, row, transaction);
  return { name: ref.name, version, row, content: decodeVersionContent(transaction.content(key, row)) };
}

function versionOf(transaction: Transaction, ref: ParsedRef): number | undefined {
  switch (ref.kind) {
    case "version":
      return ref.version;
    case "latest":
      return latestVersion(transaction, ref.name)?.version;
    case "alias": {
      const key = aliasKey(ref.name, ref.alias);
      const row = transaction.row(key);
      return row && decodeAliasContent(transaction.content(key, row));
    }
    case "all":
      throw new VarveError("INVALID_ARGUMENT", `${refText(ref)} stands for many versions`, {
        hint: "only delete takes `name:all`; name one version",
      });
  }
}

/** Writes a version's row again with another content: the full new state. */
function rewrite(
  transaction: Transaction,
  found: FoundVersion,
  content: VersionContent,
  deleted: boolean,
): FoundVersion {
  const { name, version, row } = found;
  const created = content.created ?? { time: row.time, sequence: row.sequence };
  const full = { ...content, created };
  const mediaType = tagMediaType(row) ?? content.mediaType ?? "";
  const payload = preparePayload(row.references, encodeVersionContent(full), 0n);
  const state = { deleted, rewritten: true, chunked: isChunked(row) };
  const options = { tag: versionTag(mediaType, state), weak: deleted };
  return { name, version, row: transaction.put(versionKey(name, version), payload, options), content: full };
}

export function annotateVersion(
  transaction: Transaction,
  ref: ParsedRef,
  annotation: Annotation,
): FoundVersion {
  const found = findVersion(transaction, ref);
  const { tags: oldTags, metadata: oldMetadata, ...rest } = found.content;
  const tags = merged(oldTags, annotation.tags) as Record<string, string> | undefined;
  const metadata = merged(oldMetadata, annotation.metadata) as JsonObject | undefined;
  const content: VersionContent = { ...rest, ...(tags && { tags }), ...(metadata && { metadata }) };
  return rewrite(transaction, found, content, false);
}

/** Top-level keys replaced, those that are null removed; undefined when nothing is left. */
function merged(old: object | undefined, changes: object | undefined): Record<string, unknown> | undefined {
  const entries = new Map(Object.entries(old ?? {}));
  for (const [key, value] of Object.entries(changes ?? {})) {
    if (value === null) entries.delete(key);
    else entries.set(key, value);
  }
  return entries.size > 0 ? Object.fromEntries(entries) : undefined;
}

export function setAlias(transaction: Transaction, name: string, alias: string, version: number): void {
  findVersion(transaction, { name, kind: "version", version });
  transaction.put(aliasKey(name, alias), preparePayload([], encodeAliasContent(version), 0n));
}

export function deleteAlias(transaction: Transaction, name: string, alias: string): void {
  const key = aliasKey(name, alias);
  if (!transaction.row(key)) throw notFound({ name, kind: "alias", alias });
  transaction.delete(key);
}

export function deleteVersions(
  transaction: Transaction,
  ref: ParsedRef,
  options: DeleteOptions,
): DeleteReport {
  const victims = ref.kind === "all" ? allLive(transaction, ref) : [findVersion(transaction, ref)];
  const report: DeleteReport = { deleted: [], aliases: [] };
  const byVersion = aliasesByVersion(transaction, ref.name);
  for (const { version } of victims) {
    const aliases = byVersion.get(version) ?? [];
    if (aliases.length > 0 && !options.aliases) throw aliased(`${ref.name}:${version}`, aliases);
  }
  for (const victim of victims) {
    const aliases = byVersion.get(victim.version) ?? [];
    deleteVersion(transaction, victim, aliases);
    report.deleted.push(`${ref.name}:${victim.version}`);
    report.aliases.push(...aliases.map((alias) => `${ref.name}@${alias}`));
  }
  return report;
}

/** @param aliases those of the version, which are removed with it */
export function deleteVersion(transaction: Transaction, victim: FoundVersion, aliases: string[]): void {
  for (const alias of aliases) transaction.delete(aliasKey(victim.name, alias));
  const { blob } = victim.row;
  const content = {
    ...victim.content,
    ...(aliases.length > 0 && { removedAliases: aliases }),
    ...(blob && !isChunked(victim.row) && { size: blob.payloadLength }),
  };
  rewrite(transaction, victim, content, true);
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

function aliased(ref: string, aliases: string[]): VarveError {
  return new VarveError("CONFLICT", `${ref} has the alias ${aliases.join(", ")}`, {
    hint: "move the alias first, or delete it too: `{ aliases: true }`, on the command line `--aliases`",
    details: { ref, aliases },
  });
}

export function undeleteVersion(transaction: Transaction, ref: ParsedRef): FoundVersion {
  if (ref.kind !== "version") {
    throw new VarveError("INVALID_ARGUMENT", `${refText(ref)} does not name one deleted version`, {
      hint: "give the version's number, such as `name:3`; `varve list --deleted` shows them",
    });
  }
  const key = versionKey(ref.name, ref.version);
  const row = transaction.row(key);
  if (!row) throw notFound(ref);
  const content = decodeVersionContent(transaction.content(key, row));
  const found = { name: ref.name, version: ref.version, row, content };
  if (!isDeleted(row)) return found;
  if (!isWhole(row, transaction)) throw compactedAway(ref);
  const { removedAliases = [], ...rest } = content;
  // Of a value that is kept whole the blob tells it again.
  if (!isChunked(row)) delete rest.size;
  const revived = rewrite(transaction, found, rest, false);
  for (const alias of removedAliases) {
    const free = !transaction.row(aliasKey(ref.name, alias));
    if (free) setAlias(transaction, ref.name, alias, ref.version);
  }
  return revived;
}

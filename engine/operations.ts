import type { Annotation, JsonObject } from "./api.ts";
import type { VersionName } from "./artifact-key.ts";
import {
  aliasKey,
  ELSEWHERE_KEY,
  KEPT_KEY,
  namesRange,
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
  isDeleted,
  isRewritten,
  tagMediaType,
  ValuePlace,
  valuePlace,
  versionTag,
} from "./artifact-record.ts";
import type { PreparedEnvironment } from "./environment/stored.ts";
import { putEnvironment } from "./environment/stored.ts";
import type { Row } from "./index/rows.ts";
import type { PreparedPart } from "./large/part.ts";
import { putPart } from "./large/part.ts";
import { putEdges } from "./lineage/edges.ts";
import { notFound } from "./not-found.ts";
import type { ParsedRef } from "./ref.ts";
import { checkNewVersion, keptElsewhere, keptInHome, otherLatest, standsForMany } from "./refusals.ts";
import type { PreparedBlob, Transaction } from "./transaction.ts";
import { preparePayload } from "./transaction.ts";

const NOTHING = new Uint8Array();

/** What the store does to its rows, each under the lock: shared by the single calls and by batches. */

/** A save made ready: only the version is open. */
export interface SavePlan {
  name: string;
  /** The value, or the root of the lists that name its chunks, which are written before. Undefined for one that is elsewhere. */
  value: PreparedPart | undefined;
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
  // Whatever refuses a save comes before what it writes: only that can be taken back by itself.
  if (value && transaction.isThere(ELSEWHERE_KEY)) throw keptElsewhere();
  const oldestKey = versionKey(name, 0);
  const newest = transaction.firstOf(name, () => versionsRange(name), oldestKey);
  const version = (newest ? parseVersionKey(newest.key).version + 1 : 0) + lostVersions(transaction, newest);
  checkNewVersion(name, version);
  if (plan.ifVersion !== undefined) checkLatest(transaction, name, plan.ifVersion);
  const inputs =
    plan.inputs.length > 0 ? plan.inputs.map((input) => resolveInput(transaction, input())) : NO_INPUTS;
  const content = inputs.length > 0 ? { ...plan.content, inputs: inputs.map(versionText) } : plan.content;
  if (plan.environment) putEnvironment(transaction, plan.environment);
  if (inputs.length > 0) putEdges(transaction, inputs, { name, version });
  if (value) putPart(transaction, value);
  else noteOutside(transaction, plan.content.backend ? KEPT_KEY : ELSEWHERE_KEY);
  if (plan.code) transaction.putBlob(plan.code);
  const references = value ? [value.digest] : [];
  if (plan.code) references.push(plan.code.digest);
  if (plan.stamps) references.push(plan.stamps);
  const payload = preparePayload(references, encodeVersionContent(content), plan.salt);
  const place = value ? (plan.isChunked ? ValuePlace.tree : ValuePlace.blob) : ValuePlace.elsewhere;
  const state = { deleted: false, rewritten: false, place };
  const options = { tag: versionTag(plan.mediaType, state), isNew: true };
  const row = transaction.put(version === 0 ? oldestKey : versionKey(name, version), payload, options);
  return { name, version, row, content };
}

/** Once a store: that its values are not in the log. @throws CONFIG where some are */
export function noteElsewhere(transaction: Transaction): void {
  noteOutside(transaction, ELSEWHERE_KEY);
}

/** Once a store, with the first version of which that is so. */
function noteOutside(transaction: Transaction, key: Buffer): void {
  if (transaction.isThere(key)) return;
  if (key === ELSEWHERE_KEY && transaction.first(namesRange(""))) throw keptInHome();
  transaction.put(key, preparePayload([], NOTHING, 0n));
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
  if (actual !== wanted) throw otherLatest(name, actual, wanted);
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
      throw standsForMany(ref);
  }
}

/** Writes a version's row again with another content: the full new state. */
export function rewrite(
  transaction: Transaction,
  found: FoundVersion,
  content: VersionContent,
  deleted: boolean,
  place = valuePlace(found.row),
): FoundVersion {
  const { name, version, row } = found;
  const created = content.created ?? { time: row.time, sequence: row.sequence };
  const full = { ...content, created };
  const mediaType = tagMediaType(row) ?? content.mediaType ?? "";
  const payload = preparePayload(row.references, encodeVersionContent(full), 0n);
  const state = { deleted, rewritten: true, place };
  // What a backend keeps can be brought back until it is purged, and so must its code.
  const isKept = content.backend !== undefined && place !== ValuePlace.collected;
  const options = { tag: versionTag(mediaType, state), weak: deleted && !isKept };
  return { name, version, row: transaction.put(versionKey(name, version), payload, options), content: full };
}

export function annotateVersion(
  transaction: Transaction,
  ref: ParsedRef,
  annotation: Annotation,
): FoundVersion {
  const found = findVersion(transaction, ref);
  const { tags: oldTags, metadata: oldMetadata, change: _, ...rest } = found.content;
  const tags = merged(oldTags, annotation.tags) as Record<string, string> | undefined;
  const metadata = merged(oldMetadata, annotation.metadata) as JsonObject | undefined;
  const content: VersionContent = { ...rest, ...(tags && { tags }), ...(metadata && { metadata }) };
  return rewrite(transaction, found, content, false);
}

/** The value is in another place of its backend now. */
export function moveVersion(
  transaction: Transaction,
  { name, version, kept }: VersionName & { kept: JsonObject },
): FoundVersion {
  const found = findVersion(transaction, { name, kind: "version", version });
  return rewrite(transaction, found, { ...found.content, kept, change: "move" }, false);
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

import type { KeyRange, VersionName } from "./artifact-key.ts";
import {
  ELSEWHERE_KEY,
  edgeKey,
  edgesRange,
  HORIZON_KEY,
  namesRange,
  parseVersionKey,
  versionKey,
} from "./artifact-key.ts";
import {
  decodeHorizon,
  decodeVersionContent,
  encodeHorizon,
  isDeleted,
  isElsewhere,
  ValuePlace,
  valuePlace,
} from "./artifact-record.ts";
import { OPERATION_BYTES } from "./commit.ts";
import type { EngineCore } from "./engine.ts";
import { throwIfAborted } from "./errors.ts";
import type { Row } from "./index/rows.ts";
import { parseRef } from "./ref.ts";
import type { Transaction } from "./transaction.ts";
import { preparePayload } from "./transaction.ts";

/** Versions that are forgotten by one commit. */
const VERSIONS_PER_COMMIT = 64;
/** Of more keys the history goes with a later compaction. */
const KEYS_MAX = 1_000_000;

interface ForgetOptions {
  /** Only find out what would go. */
  dryRun: boolean;
  durable: boolean;
  signal?: AbortSignal | undefined;
}

/**
 * What was deleted up to an operation leaves the store, with its edges of lineage: it can't be brought back any more, nor
 * seen in history. The newest version of a name stays, deleted or not, since its number must not be given again; and so
 * does the first one, whose row tells every save that there is something of the name.
 * Gives the keys that are gone, whose history nobody needs.
 */
export async function forgetVersions(
  core: EngineCore,
  before: number,
  options: ForgetOptions,
): Promise<Buffer[]> {
  const keys: Buffer[] = [];
  const note = (some: readonly Buffer[]) => {
    if (keys.length + some.length <= KEYS_MAX) keys.push(...some);
  };
  let range = namesRange("");
  for (let newest = ""; ; ) {
    const from = range;
    const page = await core.reading(() => core.rows({ ...from, limit: VERSIONS_PER_COMMIT }));
    const found: VersionName[] = [];
    for (const { key, row } of page) {
      const version = parseVersionKey(key);
      const isFirst = version.version === 0;
      const isInside = version.name === newest && !isFirst;
      if (isInside && isDeleted(row) && (await deletionOf(core, key, row)) <= before) found.push(version);
      newest = version.name;
    }
    if (found.length > 0) note(await forget(core, found, before, options));
    const last = page.at(-1);
    if (!last) return keys;
    range = { ...range, start: Buffer.concat([last.key, Buffer.alloc(1)]) };
    await new Promise<void>((resolve) => setImmediate(resolve));
    throwIfAborted(options.signal);
  }
}

/**
 * The operation that deleted a version: one whose value was collected elsewhere was written again since. Of one that a backend
 * still keeps, it never comes: the row is what tells whose that is.
 */
function deletionOf(rows: Pick<Rows, "content">, key: Buffer, row: Row): number | Promise<number> {
  if (!isElsewhere(row)) return row.sequence;
  const content = rows.content(key, row);
  const told = (bytes: Buffer) => {
    const { deletion = row.sequence, backend } = decodeVersionContent(bytes);
    return backend && valuePlace(row) !== ValuePlace.collected ? Number.POSITIVE_INFINITY : deletion;
  };
  return content instanceof Promise ? content.then(told) : told(content);
}

/**
 * Where the values are elsewhere, whoever follows operations is told that they are forgotten. Before they are: a follower
 * that finds no such note after it has read has missed nothing.
 */
export async function noteHorizon(core: EngineCore, before: number, durable: boolean): Promise<void> {
  if (!(await core.reading(() => core.row(ELSEWHERE_KEY)))) return;
  const run = (transaction: Transaction) => {
    if (horizonOf(transaction) >= before) return;
    transaction.put(HORIZON_KEY, preparePayload([], encodeHorizon(before), 0n));
  };
  await core.commit({ run, bytes: OPERATION_BYTES, durable, undoable: true, reserve: true });
}

/** The operation up to which history is forgotten; 0 where it is not. */
export function horizonOf(rows: Pick<Rows, "row">): number {
  const row = rows.row(HORIZON_KEY);
  return row?.inline ? decodeHorizon(row.inline) : 0;
}

async function forget(
  core: EngineCore,
  versions: readonly VersionName[],
  before: number,
  { dryRun, durable }: ForgetOptions,
): Promise<Buffer[]> {
  if (dryRun) return versions.flatMap((version) => keysOf(core, version));
  const run = (transaction: Transaction) => {
    const keys = versions.flatMap((version) => forgettableKeys(transaction, version, before));
    for (const key of keys) transaction.delete(key);
    return keys;
  };
  const bytes = OPERATION_BYTES * versions.length;
  return core.commit({ run, bytes, durable, undoable: true, reserve: true });
}

interface Rows {
  row(key: Uint8Array): Row | undefined;
  rows(range: KeyRange): { key: Buffer; row: Row }[];
  content(key: Uint8Array, row: Row): Buffer | Promise<Buffer>;
}

/** Under the lock: of a version that may still go. One that is not the newest of its name never will be. */
function forgettableKeys(transaction: Transaction, version: VersionName, before: number): Buffer[] {
  const key = versionKey(version.name, version.version);
  const row = transaction.row(key);
  if (!row || !isDeleted(row)) return [];
  const deletion = deletionOf(transaction, key, row);
  return typeof deletion === "number" && deletion <= before ? keysOf(transaction, version) : [];
}

/** The version, and the edges from what it was made from and to what was made from it. */
function keysOf(rows: Rows, version: VersionName): Buffer[] {
  const key = versionKey(version.name, version.version);
  const row = rows.row(key);
  const content = row && rows.content(key, row);
  if (!row || !content || content instanceof Promise) return [];
  const { inputs = [] } = decodeVersionContent(content);
  const edges = inputs.flatMap((input) => {
    const parsed = parseRef(input);
    return parsed.kind === "version"
      ? [edgeKey({ name: parsed.name, version: parsed.version }, version)]
      : [];
  });
  const known = new Map(edges.filter((edge) => rows.row(edge)).map((edge) => [edge.toString("hex"), edge]));
  return [...known.values(), ...rows.rows(edgesRange(version)).map((edge) => edge.key), key];
}

import type { CallOptions } from "../api.ts";
import { mediaTypeOf, sizeOf } from "../artifact.ts";
import type { KeyRange } from "../artifact-key.ts";
import { namesRange, parseVersionKey } from "../artifact-key.ts";
import { decodeVersionContent, isDeleted, isElsewhere, ValuePlace, valuePlace } from "../artifact-record.ts";
import { OPERATION_BYTES } from "../commit.ts";
import type { EngineCore } from "../engine.ts";
import { throwIfAborted } from "../errors.ts";
import type { Row } from "../index/rows.ts";
import { isWhole } from "../not-found.ts";
import { rewrite } from "../operations.ts";
import type { ValueFacts } from "../ports/metadata-store.ts";
import type { Transaction } from "../transaction.ts";
import { stampsOf } from "./embedded-record.ts";

const PAGE_ROWS = 256;

type NeededValue = ValueFacts & { deleted: boolean };

/** The values that versions need, page by page: each page is of the newest state. */
export async function* neededValues(core: EngineCore, signal?: AbortSignal): AsyncGenerator<NeededValue[]> {
  for await (const page of versionRows(core, signal)) {
    const values: NeededValue[] = [];
    for (const { key, row } of page) {
      if (isDeleted(row) && !isWhole(row, core)) continue;
      const content = decodeVersionContent(await core.content(key, row));
      if (content.backend) continue;
      const stamps = stampsOf(row, content);
      values.push({
        digest: content.digest ?? row.references[0]!,
        size: sizeOf(row, content),
        mediaType: mediaTypeOf(row, content),
        ...(stamps && { stamps }),
        deleted: isDeleted(row),
      });
    }
    yield values;
  }
}

/**
 * Notes that the values elsewhere of versions, but for those that a backend keeps, which are deleted since operations up to `sequence` may be removed there, so
 * that nobody brings such a version back. Gives how many there are. Those in the log go with its compaction.
 */
export async function forgetDeleted(
  core: EngineCore,
  sequence: number,
  durable: boolean,
  signal?: AbortSignal,
): Promise<number> {
  let count = 0;
  for await (const page of versionRows(core, signal)) {
    const keys = page.filter(({ row }) => isForgettable(row, sequence)).map(({ key }) => key);
    if (keys.length === 0) continue;
    const run = (transaction: Transaction) =>
      keys.reduce((sum, key) => sum + forget(transaction, key, sequence), 0);
    const bytes = keys.length * OPERATION_BYTES;
    count += await core.commit({ run, bytes, durable, undoable: true, reserve: true });
  }
  return count;
}

function isForgettable(row: Row, sequence: number): boolean {
  const isThere = isElsewhere(row) && valuePlace(row) !== ValuePlace.collected;
  return isThere && isDeleted(row) && row.sequence <= sequence;
}

/** Under the lock: 1, unless it was brought back since. */
function forget(transaction: Transaction, key: Buffer, sequence: number): 0 | 1 {
  const row = transaction.row(key);
  if (!row || !isForgettable(row, sequence)) return 0;
  const content = decodeVersionContent(transaction.content(key, row));
  if (content.backend) return 0;
  const found = { ...parseVersionKey(key), row, content };
  rewrite(transaction, found, { ...content, deletion: row.sequence }, true, ValuePlace.collected);
  return 1;
}

/** All versions, page by page, with a turn of the event loop behind each. */
async function* versionRows(
  core: EngineCore,
  signal: CallOptions["signal"],
): AsyncGenerator<{ key: Buffer; row: Row }[]> {
  let range: KeyRange & { exclusiveStart?: boolean } = namesRange("");
  for (;;) {
    throwIfAborted(signal);
    const from = { ...range, limit: PAGE_ROWS };
    const page = await core.reading(() => core.rows(from));
    if (page.length === 0) return;
    yield page;
    range = { ...range, start: page.at(-1)!.key, exclusiveStart: true };
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

import type { CallOptions } from "../api.ts";
import { countBlobs } from "../blob-stats.ts";
import { OPERATION_BYTES } from "../commit.ts";
import { compactWith } from "../compact.ts";
import type { EngineCore } from "../engine.ts";
import { throwIfAborted } from "../errors.ts";
import { Release } from "../large/release.ts";
import { sweepNodes } from "../large/sweep.ts";
import type { Digest, ListedBlob } from "../ports/blob-store.ts";
import type { EngineSnapshot } from "../snapshot.ts";
import type { Transaction } from "../transaction.ts";
import { blobKey, blobsRange, parseBlobKey, readBlobRow } from "./blob-rows.ts";

/** A listing is read from one state for so long, then goes on in a newer one: old pages of the index wait for it. */
const SNAPSHOT_MILLISECONDS_MAX = 60_000;
const PAGE_ROWS = 128;
/** So many at a time: everybody else waits for them. */
const REMOVED_PER_COMMIT = 256;
/** About what the records of a blob take beside its bytes. */
const RECORD_BYTES = 200;
/** The part of the log that records of what was may take before they are dropped: to find them takes a look at all. */
const HISTORY_PART = 8;

/** All blobs in the order of their digests, page by page. */
export async function* listBlobs(core: EngineCore): AsyncGenerator<ListedBlob[]> {
  let range = { ...blobsRange(), limit: PAGE_ROWS, exclusiveStart: false };
  let snapshot = core.snapshot();
  try {
    for (;;) {
      const rows = snapshot.rows(range);
      const last = rows.at(-1);
      if (!last) return;
      await core.settle(
        rows.reduce((newest, each) => (each.row.sequence > newest.row.sequence ? each : newest)).row,
      );
      yield rows.map(({ key, row }) => listed(key, row, snapshot));
      range = { ...range, start: last.key, exclusiveStart: true };
      if (performance.now() - snapshot.openedAt < SNAPSHOT_MILLISECONDS_MAX) continue;
      snapshot.close();
      snapshot = core.snapshot();
    }
  } finally {
    snapshot.close();
  }
}

function listed(
  key: Buffer,
  row: Parameters<typeof readBlobRow>[1] & { time: number },
  snapshot: EngineSnapshot,
) {
  const content = readBlobRow(key, row);
  const release = new Release(snapshot);
  const ownBytes = content ? release.drop(content.reference) : 0;
  return { digest: Buffer.from(parseBlobKey(key)), size: content?.size ?? 0, putAt: row.time, ownBytes };
}

/** Gives those that are gone now. */
export async function removeBlobs(
  core: EngineCore,
  digests: readonly Digest[],
  putBefore: number,
  durable: boolean,
  { signal }: CallOptions,
): Promise<Digest[]> {
  const gone: Digest[] = [];
  for (let from = 0; from < digests.length; from += REMOVED_PER_COMMIT) {
    throwIfAborted(signal);
    const some = digests.slice(from, from + REMOVED_PER_COMMIT);
    const run = (transaction: Transaction) =>
      some.filter((digest) => removeBlob(transaction, digest, putBefore));
    const bytes = some.length * OPERATION_BYTES;
    gone.push(...(await core.commit({ run, bytes, durable, reserve: true })));
  }
  return gone;
}

/** Under the lock. */
function removeBlob(transaction: Transaction, digest: Digest, putBefore: number): boolean {
  const key = blobKey(digest);
  const row = transaction.row(key);
  if (!row) return true;
  if (row.time >= putBefore) return false;
  transaction.delete(key);
  return true;
}

/** Gives the bytes that came free. */
export async function collectDead(core: EngineCore, options: CallOptions): Promise<number> {
  await sweepNodes(core, options.signal);
  const isLong = await isHistoryLong(core, options);
  const historyBefore = isLong ? { historyBefore: Number.MAX_SAFE_INTEGER } : {};
  const { freedBytes } = await compactWith(core, { ...options, ...historyBefore });
  return freedBytes;
}

/** Each removal, and each put of what was there already, leaves a record behind. */
async function isHistoryLong(core: EngineCore, { signal }: CallOptions): Promise<boolean> {
  const snapshot = await core.reading(() => core.snapshot());
  try {
    const { logBytes } = core.fileSpace();
    const { blobs, blobBytes } = await countBlobs(snapshot, { ...(signal && { signal }) });
    return logBytes - blobBytes - blobs * RECORD_BYTES > logBytes / HISTORY_PART;
  } finally {
    snapshot.close();
  }
}

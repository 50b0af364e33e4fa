import { nodesRange, parseNodeKey } from "../artifact-key.ts";
import { OPERATION_BYTES } from "../commit.ts";
import type { EngineCore } from "../engine.ts";
import { throwIfAborted } from "../errors.ts";
import type { Transaction } from "../transaction.ts";
import { nodeRows } from "./part.ts";
import { removeStalePins } from "./pins.ts";

/** Each row names some hundred blobs. */
const PAGE_ROWS = 16;

/**
 * Before a compaction: what nodes name that nothing needs any more is needed no more either. From then on what they were
 * part of can't be brought back.
 */
export async function sweepNodes(core: EngineCore, signal?: AbortSignal): Promise<void> {
  await core.reading(() => removeStalePins(core));
  let range = nodesRange();
  for (;;) {
    const from = range;
    const page = await core.reading(() => core.rows({ ...from, limit: PAGE_ROWS }));
    const last = page.at(-1);
    if (!last) return;
    let dead = page.flatMap(({ key }) => {
      const digest = parseNodeKey(key);
      return digest && core.referencesTo(digest) === 0 ? [digest] : [];
    });
    // What goes with a node may itself be one, and come before it in the order of digests.
    while (dead.length > 0) dead = await removeNodes(core, dead);
    range = { ...range, start: Buffer.concat([last.key, Buffer.alloc(1)]) };
    await new Promise<void>((resolve) => setImmediate(resolve));
    throwIfAborted(signal);
  }
}

/** Gives what they named. */
async function removeNodes(core: EngineCore, digests: readonly Buffer[]): Promise<Buffer[]> {
  const freed: Buffer[] = [];
  for (let from = 0; from < digests.length; from += PAGE_ROWS) {
    const some = digests.slice(from, from + PAGE_ROWS);
    const run = (transaction: Transaction) => some.flatMap((digest) => removeNode(transaction, digest));
    const bytes = some.length * OPERATION_BYTES;
    freed.push(...(await core.commit({ run, bytes, durable: false, reserve: true })));
  }
  return freed;
}

/** Under the lock, unless it is needed again by now. Gives those of its references that nothing needs any more. */
function removeNode(transaction: Transaction, digest: Buffer): Buffer[] {
  if (transaction.referencesTo(digest) > 0) return [];
  const rows = [...nodeRows(transaction, digest)];
  for (const { key } of rows) transaction.delete(key);
  const named = rows.flatMap(({ row }) => row.references);
  return named.filter((reference) => transaction.referencesTo(reference) === 0);
}

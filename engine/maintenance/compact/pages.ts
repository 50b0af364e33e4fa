import type { Catalog } from "../../index/catalog.ts";
import { RawRow } from "../../index/raw-rows.ts";
import type { BlobRow } from "../../index/rows.ts";
import { APPLICATION_SPACE } from "../../index/rows.ts";
import type { Pace } from "../pace.ts";
import type { CompactParts } from "./parts.ts";

const PAGE_ROWS = 256;
const FIRST_KEY = Buffer.from([APPLICATION_SPACE]);
const END_KEY = Buffer.from([0xff]);
const ZERO = Buffer.alloc(1);

/**
 * Goes over all blobs, a page at a time: what is there all the while is visited. The index that is in use at the
 * beginning is read to the end; who acts on what was found looks again under the lock.
 */
export async function eachBlob(
  parts: CompactParts,
  pace: Pace,
  visit: (digest: Buffer, row: BlobRow) => void,
  behindPage: () => Promise<void> | undefined = () => undefined,
): Promise<void> {
  await withCatalog(parts, async (catalog) => {
    for (let from: Buffer | undefined = Buffer.alloc(0); from; ) {
      const { rows, next } = catalog.blobRows.page(from, PAGE_ROWS);
      for (const { digest, row } of rows) visit(digest, row);
      await behindPage();
      await turnIfDue(catalog, pace);
      from = next;
    }
  });
}

/** The same for all rows of the application, as they lie in the index. */
export async function eachRow(
  parts: CompactParts,
  pace: Pace,
  visit: (row: RawRow) => void,
  behindPage: (catalog: Catalog) => Promise<void> | undefined,
): Promise<void> {
  const raw = new RawRow();
  await withCatalog(parts, async (catalog) => {
    for (let start = FIRST_KEY; ; ) {
      const range = { start, end: END_KEY, limit: PAGE_ROWS };
      const last = catalog.visit(range, (entry) => visit(raw.at(entry)));
      await behindPage(catalog);
      if (!last) return;
      await turnIfDue(catalog, pace);
      start = Buffer.concat([last, ZERO]);
    }
  });
}

async function turnIfDue(catalog: Catalog, pace: Pace): Promise<void> {
  if (!pace.isDue()) return;
  await pace.turn();
  catalog.refresh();
}

/** It stays open, whatever others replace it by. */
export async function withCatalog<T>(
  parts: CompactParts,
  action: (catalog: Catalog) => Promise<T>,
): Promise<T> {
  await parts.follow();
  const catalog = parts.catalog();
  catalog.retain();
  try {
    return await action(catalog);
  } finally {
    await catalog.release();
  }
}

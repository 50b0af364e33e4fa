import { nodesRange, parseNodeKey, pinsRange } from "../artifact-key.ts";
import type { EngineCore } from "../engine.ts";
import { throwIfAborted } from "../errors.ts";
import type { EnvironmentRange } from "../index/lmdb.ts";
import type { BlobRow, Row, RowsAndBlobs } from "../index/rows.ts";
import { DIGEST_BYTES, recordBytes } from "../log/format.ts";
import type { EngineSnapshot } from "../snapshot.ts";
import { nodeRows } from "./part.ts";
import { isStale } from "./pins.ts";

/** References to some blobs that somebody else counts too. */
export interface SharedCounts {
  /** One less: how many are left. Undefined for a blob that it does not count. */
  lower(digest: Buffer): number | undefined;
}

/**
 * What would go with blobs that nothing needs any more: a node takes with it what it names, unless something else needs
 * that. Nothing is changed: `sweep.ts` does it.
 */
export class Release {
  readonly #rows: RowsAndBlobs;
  readonly #shared: SharedCounts | undefined;
  /** References left, by digest, of what has lost some. */
  readonly #left = new Map<string, number>();
  /** Digests of all that would go, as text. */
  readonly gone = new Set<string>();
  /** Of that, without headers. */
  payloadBytes = 0;

  constructor(rows: RowsAndBlobs, shared?: SharedCounts) {
    this.#rows = rows;
    this.#shared = shared;
  }

  /** From this state on. */
  copy(rows: RowsAndBlobs, shared: SharedCounts): Release {
    const copy = new Release(rows, shared);
    for (const [name, left] of this.#left) copy.#left.set(name, left);
    return copy;
  }

  /** Nothing needs a node any more. Gives the bytes of the records that go with it. */
  letGo(digest: Buffer): number {
    let bytes = 0;
    for (const { row } of nodeRows(this.#rows, digest))
      for (const reference of row.references) bytes += this.drop(reference);
    return bytes;
  }

  /** A reference to a blob less. Gives the bytes of the records that go: its own and what goes with it. */
  drop(digest: Buffer): number {
    const blob = this.#rows.blobRow(digest);
    if (!blob || this.#lower(digest, blob) !== 0) return 0;
    const { payloadLength } = blob.place;
    this.gone.add(digest.toString("latin1"));
    this.payloadBytes += payloadLength;
    return recordBytes(DIGEST_BYTES, payloadLength) + this.letGo(digest);
  }

  #lower(digest: Buffer, { referenceCount }: BlobRow): number {
    const shared = this.#shared?.lower(digest);
    if (shared !== undefined) return shared;
    const name = digest.toString("latin1");
    const left = (this.#left.get(name) ?? referenceCount) - 1;
    this.#left.set(name, left);
    return left;
  }
}

/** Each row names some hundred blobs. */
const PAGE_ROWS = 16;

/** What goes already: with nodes that nothing needs, and with the pins of openers that are gone. Gives the bytes. */
export async function releaseDead(
  core: EngineCore,
  snapshot: EngineSnapshot,
  release: Release,
  signal?: AbortSignal,
): Promise<number> {
  let bytes = 0;
  for await (const { key } of rowsOf(snapshot, nodesRange(), signal)) {
    const digest = parseNodeKey(key);
    if (digest && snapshot.referencesTo(digest) === 0) bytes += release.letGo(digest);
  }
  for await (const { row } of rowsOf(snapshot, pinsRange(), signal))
    if (isStale(core, row.inline)) for (const digest of row.references) bytes += release.drop(digest);
  return bytes;
}

async function* rowsOf(
  snapshot: EngineSnapshot,
  range: EnvironmentRange,
  signal: AbortSignal | undefined,
): AsyncGenerator<{ key: Buffer; row: Row }> {
  for (const page of snapshot.pages(range, PAGE_ROWS)) {
    yield* page;
    await new Promise<void>((resolve) => setImmediate(resolve));
    throwIfAborted(signal);
  }
}

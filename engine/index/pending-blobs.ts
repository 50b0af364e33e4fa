import type { BlobRow } from "./rows.ts";

export interface PendingBlob {
  /** The digest as text: kept by the ten thousand, and far lighter than a Buffer. */
  readonly name: string;
  /** The first bytes of the digest as a number: nearly always another one for each. */
  readonly rank: number;
  row: BlobRow | undefined;
  changed: boolean;
}

/** Blob rows of the transaction under way: many records touch the same one, which is then written once. */
export class PendingBlobs {
  readonly #stored: (digest: Buffer) => BlobRow | undefined;
  readonly #byDigest = new Map<string, PendingBlob>();

  constructor(stored: (digest: Buffer) => BlobRow | undefined) {
    this.#stored = stored;
  }

  has(digest: Buffer): boolean {
    return this.#byDigest.size > 0 && this.#byDigest.has(digest.toString("latin1"));
  }

  get(digest: Buffer): PendingBlob {
    const name = digest.toString("latin1");
    const known = this.#byDigest.get(name);
    if (known) return known;
    const pending = { name, rank: digest.readUInt32BE(0), row: this.#stored(digest), changed: false };
    this.#byDigest.set(name, pending);
    return pending;
  }

  /** In order of digests: rows that go into the same page are then put one after the other. */
  *changes(): Generator<{ digest: Buffer; row: BlobRow | undefined }> {
    const changed = [...this.#byDigest.values()].filter((each) => each.changed);
    changed.sort((a, b) => a.rank - b.rank);
    for (const { name, row } of changed) yield { digest: Buffer.from(name, "latin1"), row };
  }
}

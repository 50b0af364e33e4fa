import type { BlobRow } from "./rows.ts";

export interface PendingBlob {
  readonly digest: Buffer;
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

  get(digest: Buffer): PendingBlob {
    const name = digest.toString("latin1");
    const known = this.#byDigest.get(name);
    if (known) return known;
    const pending = { digest: Buffer.from(digest), row: this.#stored(digest), changed: false };
    this.#byDigest.set(name, pending);
    return pending;
  }

  *changes(): Generator<{ digest: Buffer; row: BlobRow }> {
    for (const { digest, row, changed } of this.#byDigest.values()) if (changed && row) yield { digest, row };
  }
}

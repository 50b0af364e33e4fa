import { DIGEST_BYTES } from "../log/format.ts";
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
  /** The one that was asked for last: a save asks six times for its own, and each time a text would be made of the digest. */
  readonly #lastDigest = Buffer.alloc(DIGEST_BYTES);
  #last: PendingBlob | undefined;

  constructor(stored: (digest: Buffer) => BlobRow | undefined) {
    this.#stored = stored;
  }

  has(digest: Buffer): boolean {
    return this.#byDigest.size > 0 && this.#byDigest.has(digest.toString("latin1"));
  }

  get(digest: Buffer): PendingBlob {
    if (this.#last && isSame(digest, this.#lastDigest)) return this.#last;
    const name = digest.toString("latin1");
    const pending = this.#byDigest.get(name) ?? this.#added(name, digest);
    this.#lastDigest.set(digest);
    this.#last = pending;
    return pending;
  }

  #added(name: string, digest: Buffer): PendingBlob {
    const pending = { name, rank: digest.readUInt32BE(0), row: this.#stored(digest), changed: false };
    this.#byDigest.set(name, pending);
    return pending;
  }

  /** In order of digests: rows that go into the same page are then put one after the other. */
  changed(): PendingBlob[] {
    const changed = [...this.#byDigest.values()].filter((each) => each.changed);
    return changed.sort((a, b) => a.rank - b.rank);
  }
}

/** Not by a method of Buffer: the way to native code and back takes longer. */
function isSame(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < DIGEST_BYTES; i++) if (a[i] !== b[i]) return false;
  return true;
}

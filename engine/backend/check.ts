import { createHash } from "node:crypto";
import type { Span } from "../artifact.ts";
import type { VarveError } from "../errors.ts";
import type { Digest } from "../ports/blob-store.ts";

/** Bytes as they should be. */
export interface Expected {
  digest: Digest;
  size: number;
}

/** Compares bytes, as they pass, with what they should be. */
class Check {
  readonly #hash = createHash("sha256");
  readonly #expected: Expected;
  readonly #wrong: () => VarveError;
  #at = 0;

  constructor(expected: Expected, wrong: () => VarveError) {
    this.#expected = expected;
    this.#wrong = wrong;
  }

  /** Where the piece begins. */
  add(piece: Uint8Array): number {
    const start = this.#at;
    this.#at += piece.length;
    if (this.#at > this.#expected.size) throw this.#wrong();
    this.#hash.update(piece);
    return start;
  }

  end(): void {
    if (this.#at !== this.#expected.size || !this.#hash.digest().equals(this.#expected.digest))
      throw this.#wrong();
  }
}

/** The pieces, and a failure behind the last one where they were others than expected. */
export async function* comparedPieces(
  pieces: AsyncIterable<Uint8Array>,
  expected: Expected,
  wrong: () => VarveError,
): AsyncGenerator<Uint8Array> {
  const check = new Check(expected, wrong);
  for await (const piece of pieces) {
    check.add(piece);
    yield piece;
  }
  check.end();
}

/**
 * What of the pieces is within a span. Nothing tells of a part whether it is right but all of them, which are read to their
 * end: the last part is given when they were compared.
 */
export async function* checkedPieces(
  pieces: AsyncIterable<Uint8Array>,
  expected: Expected,
  span: Span,
  wrong: () => VarveError,
): AsyncGenerator<Uint8Array> {
  const check = new Check(expected, wrong);
  let held: Uint8Array | undefined;
  for await (const piece of pieces) {
    const start = check.add(piece);
    const part = piece.subarray(Math.max(0, span.start - start), Math.max(0, span.end - start));
    if (part.length === 0) continue;
    if (held) yield held;
    held = part;
  }
  check.end();
  if (held) yield held;
}

import type { Span } from "../artifact.ts";
import { digestAt } from "../chunk/node.ts";
import type { ListedChunks } from "../chunk/range.ts";
import { DIGEST_BYTES } from "../log/format.ts";
import { behindBlob } from "../log/neighbours.ts";
import type { RecordPlace } from "../log/reader.ts";

/** Chunks are read together up to so many bytes: each read is a way to another thread. */
export const RUN_BYTES_MAX = 1024 * 1024;

/** Chunks of a value that lie one behind the other in one segment, as most do; which of their bytes are wanted is the span. */
export interface Run extends Span {
  /** Of the chunks, one behind the other. */
  digests: Uint8Array;
  /** Bytes of each chunk. */
  lengths: Float64Array;
  /** Bytes of all of them. */
  length: number;
  /** Where the first lay when it was looked up: it stays there. Undefined when it lay nowhere. */
  place: RecordPlace | undefined;
}

/** @param wanted of the value */
export function* runsOf(
  { offset, digests, lengths }: ListedChunks,
  wanted: Span,
  placeOf: (digest: Buffer) => RecordPlace | undefined,
): Generator<Run> {
  const count = lengths.length;
  let next = placeOf(digestAt(digests, 0));
  for (let from = 0, begin = offset; from < count; ) {
    const place = next;
    let [to, length, behind] = [from, 0, place?.offset ?? 0];
    do {
      length += lengths[to]!;
      behind = behindBlob(behind, lengths[to]!);
      to++;
      next = to < count ? placeOf(digestAt(digests, to)) : undefined;
    } while (next && isAt(next, place, behind) && length + lengths[to]! <= RUN_BYTES_MAX);
    yield {
      digests: digests.subarray(from * DIGEST_BYTES, to * DIGEST_BYTES),
      lengths: lengths.subarray(from, to),
      length,
      place,
      start: Math.max(wanted.start - begin, 0),
      end: Math.min(wanted.end - begin, length),
    };
    from = to;
    begin += length;
  }
}

function isAt({ segment, offset }: RecordPlace, first: RecordPlace | undefined, behind: number): boolean {
  return segment === first?.segment && offset === behind;
}

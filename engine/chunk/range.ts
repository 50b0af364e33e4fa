import { VarveError } from "../errors.ts";
import { DIGEST_BYTES } from "../log/format.ts";
import { damaged, decodeList, digestAt, type List } from "./node.ts";

/** The list from which all chunks of a value are reached. */
export interface Root {
  digest: Uint8Array;
  /** Of the value. */
  size: number;
}

/** Chunks that follow each other in a value, as a list names them. */
export interface ListedChunks {
  /** Where in the value the first begins. */
  offset: number;
  /** One behind the other. */
  digests: Uint8Array;
  /** Bytes of each. */
  lengths: Float64Array;
}

/**
 * The chunks that have bytes of a value from `start` up to, not including, `end`, in order, as many at a time as a
 * list names. The first begins at or before `start`, the last ends at or behind `end`. Reads only the lists on the way, and
 * holds one a level.
 *
 * @param read gives the bytes of a list, whose digest it has checked
 * @throws CORRUPTION when a list is none, or not the one that its place asks for
 */
export async function* chunksWithin(
  root: Root,
  read: (digest: Buffer) => Promise<Uint8Array>,
  start = 0,
  end = root.size,
): AsyncGenerator<ListedChunks, void> {
  checkRange(start, end, root.size);
  if (start === end) return;
  const digest = Buffer.from(root.digest);
  const list = decodeList(await read(digest));
  if (list.size !== root.size) throw misplaced(`it lists ${list.size} bytes of ${root.size}`);
  yield* within(list, 0, read, start, end);
}

async function* within(
  list: List,
  listOffset: number,
  read: (digest: Buffer) => Promise<Uint8Array>,
  start: number,
  end: number,
): AsyncGenerator<ListedChunks, void> {
  if (list.level === 1) return yield chunksOf(list, listOffset, start, end);
  let offset = listOffset;
  for (let index = 0; index < list.count && offset < end; index++) {
    const length = list.lengths[index]!;
    if (offset + length > start) {
      const child = below(list, length, await read(digestAt(list.digests, index)));
      yield* within(child, offset, read, start, end);
    }
    offset += length;
  }
}

/** Those of a list that has some. */
function chunksOf(
  { count, digests, lengths }: List,
  listOffset: number,
  start: number,
  end: number,
): ListedChunks {
  let [from, offset] = [0, listOffset];
  while (offset + lengths[from]! <= start) offset += lengths[from++]!;
  let [to, reached] = [from, offset];
  while (to < count && reached < end) reached += lengths[to++]!;
  return {
    offset,
    digests: digests.subarray(from * DIGEST_BYTES, to * DIGEST_BYTES),
    lengths: lengths.subarray(from, to),
  };
}

/** Levels only go down, so no list is under itself, whatever the digests say. */
function below(list: List, length: number, bytes: Uint8Array): List {
  const child = decodeList(bytes);
  if (child.level !== list.level - 1)
    throw misplaced(`level ${child.level} stands under level ${list.level}`);
  if (child.size !== length) throw misplaced(`it lists ${child.size} bytes of ${length}`);
  return child;
}

function misplaced(why: string): VarveError {
  return damaged("list", why);
}

function checkRange(start: number, end: number, size: number): void {
  if (Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end && end <= size) return;
  throw new VarveError("INVALID_ARGUMENT", `there are no bytes from ${start} to ${end} of ${size}`, {
    hint: "0 ≤ start ≤ end ≤ size, in whole bytes",
  });
}

import { VarveError } from "../errors.ts";
import { damaged, decodeList, digestAt, type List } from "./node.ts";

/** The list from which all chunks of a value are reached. */
export interface Root {
  digest: Uint8Array;
  /** Of the value. */
  size: number;
}

/** Where a chunk lies in its value. */
export interface PlacedChunk {
  digest: Buffer;
  offset: number;
  length: number;
}

/**
 * The chunks that have bytes of a value from `start` up to, not including, `end`, in order. The first begins at or before
 * `start`, the last ends at or behind `end`. Reads only the lists on the way, and holds one a level.
 *
 * @param read gives the bytes of a list, whose digest it has checked
 * @throws CORRUPTION when a list is none, or not the one that its place asks for
 */
export async function* chunksWithin(
  root: Root,
  read: (digest: Buffer) => Promise<Uint8Array>,
  start = 0,
  end = root.size,
): AsyncGenerator<PlacedChunk, void> {
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
): AsyncGenerator<PlacedChunk, void> {
  let offset = listOffset;
  for (let index = 0; index < list.count && offset < end; index++) {
    const length = list.lengths[index]!;
    if (offset + length > start) {
      const digest = digestAt(list.digests, index);
      if (list.level === 1) yield { digest, offset, length };
      else yield* within(below(list, length, await read(digest)), offset, read, start, end);
    }
    offset += length;
  }
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

import type { Chunk, Chunks } from "../chunk/chunks.ts";
import type { ListNode } from "../chunk/list-builder.ts";
import { ListBuilder } from "../chunk/list-builder.ts";
import { decodeNode, referencesOf } from "../chunk/node.ts";
import type { Part } from "./part.ts";

/** What of a value a version refers to. */
export interface StoredBytes {
  /** The blob of the value or, where it is in chunks, the root of the lists that name them. */
  blob: Part;
  isChunked: boolean;
  /** SHA-256 of the value. */
  digest: Buffer;
  size: number;
}

/**
 * Puts a value away chunk by chunk, with lists of them level by level. One that is kept whole is given, and not put.
 * @param put each before what names it
 */
export async function storeChunks(
  chunks: Chunks,
  put: (part: Part) => Promise<void> | void,
): Promise<StoredBytes> {
  const lists = new ListBuilder();
  const putChunk = async ({ digest, bytes, seal, release }: Chunk) => {
    await put({ digest, bytes, seal, release });
    for (const list of lists.add(digest, bytes.length)) await put(partOf(list));
  };
  let only: Chunk | undefined;
  for await (const chunk of chunks) {
    if (chunk.offset === 0) {
      only = chunk;
      continue;
    }
    if (only) await putChunk(only);
    only = undefined;
    await putChunk(chunk);
  }
  const { digest, size } = chunks.whole;
  if (only) return { blob: only, isChunked: false, digest, size };
  const { nodes, root } = lists.end();
  for (const list of nodes) await put(partOf(list));
  return { blob: partOf(root), isChunked: true, digest, size };
}

function partOf({ digest, bytes }: ListNode): Part {
  return { digest, bytes, references: referencesOf(decodeNode(bytes)) };
}

import { ListBuilder, type ListNode } from "../../engine/chunk/list-builder.ts";
import { digestAt } from "../../engine/chunk/node.ts";
import type { ListedChunks } from "../../engine/chunk/range.ts";
import { steadyBytes } from "./support.ts";

export interface Listed {
  digest: Buffer;
  length: number;
}

/** Chunks with digests that look random. */
export function listed(text: string, count: number): Listed[] {
  const bytes = Buffer.from(steadyBytes(text, count * 34));
  return Array.from({ length: count }, (_, index) => ({
    digest: bytes.subarray(index * 34, index * 34 + 32),
    length: 1 + bytes.readUInt16LE(index * 34 + 32),
  }));
}

export interface Tree {
  root: ListNode;
  nodes: ListNode[];
  byDigest: Map<string, Uint8Array>;
}

export function built(chunks: Listed[]): Tree {
  const builder = new ListBuilder();
  const nodes: ListNode[] = [];
  for (const { digest, length } of chunks) nodes.push(...builder.add(digest, length));
  const { nodes: last, root } = builder.end();
  nodes.push(...last);
  return {
    root,
    nodes,
    byDigest: new Map(nodes.map(({ digest, bytes }) => [digest.toString("hex"), bytes])),
  };
}

export function reader({ byDigest }: Tree, asked: string[] = []): (digest: Buffer) => Promise<Uint8Array> {
  return async (digest) => {
    const name = digest.toString("hex");
    asked.push(name);
    const bytes = byDigest.get(name);
    if (bytes === undefined) throw new Error(`nobody made ${name}`);
    return bytes;
  };
}

/** A chunk, and where in its value it lies. */
export interface PlacedChunk {
  digest: Buffer;
  offset: number;
  length: number;
}

export async function collected(lists: AsyncIterable<ListedChunks>): Promise<PlacedChunk[]> {
  const chunks: PlacedChunk[] = [];
  for await (const { digests, lengths, offset: begin } of lists) {
    let offset = begin;
    for (const [i, length] of lengths.entries()) {
      chunks.push({ digest: digestAt(digests, i), offset, length });
      offset += length;
    }
  }
  return chunks;
}

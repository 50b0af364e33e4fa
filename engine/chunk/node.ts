import { VarveError } from "../errors.ts";
import { DIGEST_BYTES, readUint32, readUint53, writeUint32, writeUint53 } from "../log/format.ts";
import { CHUNK_BYTES_MAX } from "./cutter.ts";

/**
 * Blobs that refer to other blobs, byte for byte. A node is the number of its references, their digests, and content that
 * says what they are for: whoever wants to know what a node keeps alive needs no more than its beginning.
 */

/** A reference takes this much in a list, its length included. */
export const REFERENCE_BYTES = DIGEST_BYTES + 8;
const COUNT_BYTES = 4;
const LIST_HEADER_BYTES = 4;

/** What the content of a node is, its first byte. All but lists are of directories, whose folder says what follows. */
export const NodeKind = { list: 1, directory: 2, directoryPiece: 3, stamps: 4, stampsPiece: 5 } as const;

/** No list is longer. */
export const LIST_REFERENCES_MAX = 1024;
/** Lists of lists of … chunks: what fits into the largest whole number needs five levels. */
export const LIST_LEVELS_MAX = 8;

/** A node as it lies in its bytes. */
export interface Node {
  count: number;
  /** One behind the other. */
  digests: Uint8Array;
  content: Uint8Array;
}

/** A list of chunks, or of lists, in the order in which they follow in the value. */
export interface List {
  /** 1: it refers to chunks; above: to lists of the level below. */
  level: number;
  count: number;
  digests: Uint8Array;
  /** How many bytes of the value each reference stands for. */
  lengths: Float64Array;
  /** Their sum. */
  size: number;
}

export function encodeNode(digests: Uint8Array, content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(COUNT_BYTES + digests.length + content.length);
  writeUint32(bytes, digests.length / DIGEST_BYTES, 0);
  bytes.set(digests, COUNT_BYTES);
  bytes.set(content, COUNT_BYTES + digests.length);
  return bytes;
}

/** @throws CORRUPTION */
export function decodeNode(bytes: Uint8Array): Node {
  if (bytes.length < COUNT_BYTES) throw damaged("node", `it has ${bytes.length} bytes`);
  const count = readUint32(bytes, 0);
  const end = COUNT_BYTES + count * DIGEST_BYTES;
  if (end > bytes.length)
    throw damaged("node", `it says to have ${count} references, in ${bytes.length} bytes`);
  return { count, digests: bytes.subarray(COUNT_BYTES, end), content: bytes.subarray(end) };
}

/** All that a node refers to, in its order: views. */
export function referencesOf({ count, digests }: Pick<Node, "count" | "digests">): Buffer[] {
  // Views of a Buffer are made faster than Buffers of memory.
  const all = Buffer.from(digests.buffer, digests.byteOffset, digests.length);
  const references: Buffer[] = [];
  for (let i = 0; i < count; i++) references.push(all.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES));
  return references;
}

export function digestAt(digests: Uint8Array, index: number): Buffer {
  return Buffer.from(digests.buffer, digests.byteOffset + index * DIGEST_BYTES, DIGEST_BYTES);
}

/** Content: kind, level, two zero bytes, then the length of each reference in eight bytes. Equal lists have equal bytes. */
export function encodeList(level: number, digests: Uint8Array, lengths: Float64Array): Uint8Array {
  const content = new Uint8Array(LIST_HEADER_BYTES + lengths.length * 8);
  content[0] = NodeKind.list;
  content[1] = level;
  for (const [index, length] of lengths.entries())
    writeUint53(content, length, LIST_HEADER_BYTES + index * 8);
  return encodeNode(digests, content);
}

/** @throws CORRUPTION, whatever the bytes are, unless they are exactly those that `encodeList` makes of what is returned */
export function decodeList(bytes: Uint8Array): List {
  const { count, digests, content } = decodeNode(bytes);
  if (content.length < LIST_HEADER_BYTES || content[0] !== NodeKind.list) throw damaged("list", "it is none");
  const level = content[1]!;
  if (level < 1 || level > LIST_LEVELS_MAX) throw damaged("list", `its level is ${level}`);
  if (content[2] !== 0 || content[3] !== 0) throw damaged("list", "its header is not zero where it must be");
  if (count < 1 || count > LIST_REFERENCES_MAX) throw damaged("list", `it has ${count} references`);
  if (content.length !== LIST_HEADER_BYTES + count * 8) {
    throw damaged("list", `it has ${count} references and ${content.length} bytes of content`);
  }
  const lengths = new Float64Array(count);
  let size = 0;
  for (let index = 0; index < count; index++) {
    const length = readUint53(content, LIST_HEADER_BYTES + index * 8);
    const isPossible = length >= 1 && (level > 1 || length <= CHUNK_BYTES_MAX);
    size += length;
    if (!isPossible || size > Number.MAX_SAFE_INTEGER) {
      throw damaged("list", `reference ${index} has a length of ${length}`);
    }
    lengths[index] = length;
  }
  return { level, count, digests, lengths, size };
}

export function damaged(what: "node" | "list", why: string): VarveError {
  return new VarveError("CORRUPTION", `a ${what} of the store is damaged: ${why}`, {
    hint: "run `repair` with a backup that has it",
  });
}

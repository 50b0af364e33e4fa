import { NodeKind } from "../chunk/node.ts";
import { DIGEST_BYTES } from "../log/format.ts";
import { ByteReader, ByteWriter, damaged } from "./bytes.ts";
import type { Stamp } from "./entry.ts";
import { checkHead, writeHead } from "./format.ts";
import type { ManifestNode } from "./node.ts";

/** When a file changed last, when its inode did, and which inode it is: three 64-bit numbers, little-endian; zeros for none. */
const STAMP_BYTES = 24;
const NANOSECONDS_SECOND = 1_000_000_000n;
/** The clock of a file system ticks a hundred times a second at least ... */
const TICK_MAX = 100_000_000n;
/** ... or every second or two, and then its times are whole seconds. */
const COARSE_TICK_MAX = 2n * NANOSECONDS_SECOND;

/** Refers to the stamps of each piece of a manifest. */
export function encodeStampsRoot(pieces: readonly Uint8Array[]): ManifestNode {
  const writer = new ByteWriter();
  writeHead(writer, NodeKind.stamps);
  return { references: pieces, content: writer.taken() };
}

export function decodeStampsRoot(
  { references, content }: ManifestNode,
  pieceCount: number,
): readonly Uint8Array[] {
  const reader = new ByteReader(content);
  checkHead(reader, NodeKind.stamps);
  reader.end();
  const fits = references.length === pieceCount && references.every(({ length }) => length === DIGEST_BYTES);
  if (!fits) throw damaged("its stamps do not belong to its pieces");
  return references;
}

/** Of the files of one piece, in their order. */
export function encodeStamps(stamps: readonly (Stamp | undefined)[]): ManifestNode {
  const writer = new ByteWriter();
  writeHead(writer, NodeKind.stampsPiece);
  const bytes = Buffer.alloc(stamps.length * STAMP_BYTES);
  for (const [i, stamp] of stamps.entries()) {
    if (!stamp) continue;
    bytes.writeBigInt64LE(BigInt.asIntN(64, stamp.mtimeNs), i * STAMP_BYTES);
    bytes.writeBigInt64LE(BigInt.asIntN(64, stamp.ctimeNs), i * STAMP_BYTES + 8);
    bytes.writeBigUInt64LE(BigInt.asUintN(64, stamp.inode), i * STAMP_BYTES + 16);
  }
  writer.bytes(bytes);
  return { references: [], content: writer.taken() };
}

export function decodeStamps({ content }: ManifestNode, fileCount: number): (Stamp | undefined)[] {
  const reader = new ByteReader(content);
  checkHead(reader, NodeKind.stampsPiece);
  const bytes = reader.bytes(fileCount * STAMP_BYTES);
  reader.end();
  return Array.from({ length: fileCount }, (_, i) => {
    const mtimeNs = bytes.readBigInt64LE(i * STAMP_BYTES);
    const ctimeNs = bytes.readBigInt64LE(i * STAMP_BYTES + 8);
    const inode = bytes.readBigUInt64LE(i * STAMP_BYTES + 16);
    return ctimeNs === 0n && mtimeNs === 0n && inode === 0n ? undefined : { mtimeNs, ctimeNs, inode };
  });
}

export function isSameStamp(a: Stamp, b: Stamp): boolean {
  return a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs && a.inode === b.inode;
}

/**
 * Whether whatever changes the file after `beganNs`, when it was not read yet, must give it another time. What changed in
 * the same tick of the clock as it was read may have changed once more after that, and still look the same.
 */
export function isSettled({ mtimeNs, ctimeNs }: Stamp, beganNs: bigint): boolean {
  const isCoarse = mtimeNs % NANOSECONDS_SECOND === 0n || ctimeNs % NANOSECONDS_SECOND === 0n;
  const newest = mtimeNs > ctimeNs ? mtimeNs : ctimeNs;
  return newest + (isCoarse ? COARSE_TICK_MAX : TICK_MAX) <= beganNs;
}

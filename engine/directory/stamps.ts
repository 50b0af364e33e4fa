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
  for (const stamp of stamps) writer.bytes(stamp ? bytesOf(stamp) : NO_STAMP);
  return { references: [], content: writer.taken() };
}

/** Those of the files of a piece. */
export class Stamps {
  readonly #bytes: Buffer;
  readonly count: number;

  /** @throws CORRUPTION */
  constructor({ content }: ManifestNode) {
    const reader = new ByteReader(content);
    checkHead(reader, NodeKind.stampsPiece);
    this.#bytes = reader.rest();
    this.count = this.#bytes.length / STAMP_BYTES;
    if (!Number.isInteger(this.count)) throw damaged("a stamp is cut off");
  }

  /** Whether a file, by its number, has this one. */
  isSame(file: number, stamp: Stamp): boolean {
    const [bytes, from] = [bytesOf(stamp), file * STAMP_BYTES];
    let isNone = true;
    for (let i = 0; i < STAMP_BYTES; i++) {
      const byte = this.#bytes[from + i];
      if (byte !== bytes[i]) return false;
      if (byte !== 0) isNone = false;
    }
    return !isNone;
  }
}

const NO_STAMP = new Uint8Array(STAMP_BYTES);
const written = new Uint8Array(STAMP_BYTES);
const view = new DataView(written.buffer);

/** To be used at once: the next call writes over them. */
function bytesOf({ mtimeNs, ctimeNs, inode }: Stamp): Uint8Array {
  view.setBigInt64(0, mtimeNs, true);
  view.setBigInt64(8, ctimeNs, true);
  view.setBigUint64(16, inode, true);
  return written;
}

export function isSameStamp(a: Stamp, b: Stamp): boolean {
  return a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs && a.inode === b.inode;
}

/**
 * Whether whatever changes the file after `beganNs`, when it was not read yet, must give it another time. What changed in
 * the same tick of the clock as it was read may have changed once more after that, and still look the same.
 */
export function isSettled({ mtimeNs, ctimeNs }: Omit<Stamp, "inode">, beganNs: bigint): boolean {
  const newest = mtimeNs > ctimeNs ? mtimeNs : ctimeNs;
  // Most are, by whatever clock.
  if (newest + COARSE_TICK_MAX <= beganNs) return true;
  const isCoarse = mtimeNs % NANOSECONDS_SECOND === 0n || ctimeNs % NANOSECONDS_SECOND === 0n;
  return !isCoarse && newest + TICK_MAX <= beganNs;
}

/** What is kept of a stamp: see `isSettled`. */
export function settledStamp(stamp: Stamp, beganNs: bigint): Stamp | undefined {
  return isSettled(stamp, beganNs) ? stamp : undefined;
}

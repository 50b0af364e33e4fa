import { DIGEST_BYTES } from "../log/format.ts";
import type { RecordPlace } from "../log/reader.ts";
import type { RawEntry } from "./raw-entry.ts";
import { isInlineIn, RowHead, referenceCountIn, tagIn } from "./row-bytes.ts";
import type { Row } from "./rows.ts";
import { checkSeal, decodeRow, NOT_CACHED } from "./rows.ts";

/** Copies lie in pieces of memory of this size, as those of `Buffer.allocUnsafe` do: a row that is kept keeps no more. */
const PIECE_BYTES = 8 * 1024;

let piece = Buffer.alloc(0);
let used = 0;

/** Gives where it begins in `piece`. */
function copy(bytes: Uint8Array, length: number): number {
  if (used + length > piece.length) {
    piece = Buffer.allocUnsafeSlow(Math.max(PIECE_BYTES, length));
    used = 0;
  }
  const start = used;
  piece.set(new Uint8Array(bytes.buffer, bytes.byteOffset, length), start);
  used += length;
  return start;
}

/**
 * A row as a copy of its bytes, for who goes over thousands: what most of them are not asked for is read when they are. To
 * make a buffer takes as long as all that is read here.
 */
export class LazyRow implements Row {
  declare readonly sequence: number;
  declare readonly time: number;
  declare readonly tag: number;
  declare readonly blob: RecordPlace | undefined;
  declare cachedAt: number;
  declare private readonly memory: Buffer;
  declare private readonly start: number;
  declare private readonly end: number;
  declare private readonly referencesStart: number;
  declare private readonly contentStart: number;
  declare private whole: Row | undefined;

  /** @param head of the row, which is sound */
  constructor({ value, valueLength }: RawEntry, head: RowHead, referenceCount: number) {
    this.sequence = head.sequence;
    this.time = head.time;
    this.tag = tagIn(value);
    this.blob = head.hasBlob
      ? { segment: head.blobSegment, offset: head.blobOffset, payloadLength: head.blobLength }
      : undefined;
    this.cachedAt = NOT_CACHED;
    this.start = copy(value, valueLength);
    this.memory = piece;
    this.end = this.start + valueLength;
    this.referencesStart = this.start + head.referencesStart;
    const isInline = isInlineIn(value);
    this.contentStart = isInline ? this.referencesStart + referenceCount * DIGEST_BYTES : -1;
    this.whole = undefined;
  }

  get weak(): boolean {
    return this.decoded.weak;
  }

  get place(): RecordPlace {
    return this.decoded.place;
  }

  get references(): Buffer[] {
    return this.decoded.references;
  }

  get inline(): Buffer | undefined {
    return this.decoded.inline;
  }

  private get decoded(): Row {
    this.whole ??= decodeRow(this.memory.subarray(this.start, this.end));
    return this.whole;
  }

  /** The first digest that it refers to, if it does, in hexadecimal digits. */
  firstReferenceText(): string {
    return this.memory.toString("hex", this.referencesStart, this.referencesStart + DIGEST_BYTES);
  }

  useInline<T>(use: (memory: Buffer, start: number, end: number) => T): T | undefined {
    return this.contentStart < 0 ? undefined : use(this.memory, this.contentStart, this.end);
  }
}

const rowHead = new RowHead();

/** Undefined where it does not say where the blob is that it refers to. @throws CORRUPTION */
export function lazyRowIn(entry: RawEntry): LazyRow | undefined {
  const { value, valueLength } = entry;
  checkSeal(value, valueLength);
  const count = referenceCountIn(value);
  rowHead.read(value, valueLength);
  return rowHead.hasBlob || count === 0 ? new LazyRow(entry, rowHead, count) : undefined;
}

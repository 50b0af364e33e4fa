/** The bytes of one CBOR document as they grow. */

const CHUNK_BYTES = 32 * 1024;
/** A document is not begun with less room than this: it would soon have to move. */
const BEGIN_BYTES_MIN = 2 * 1024;
const SHORT_TEXT_LENGTH = 64;
const BYTE_ORDER_MARK = 0xfeff;

/** What a text turned out to be when it was written. */
export type TextKind = "plain" | "byte-order-mark" | "ill-formed";

/** `isWellFormed` is in every Node that Varve runs on, and not yet in the library of ES2023. */
type WellFormedText = string & { isWellFormed(): boolean };

/**
 * Documents are written one behind the other into a chunk, and each is handed out as a view of it. A chunk is never
 * written twice, so a view stays as it is for ever; but it keeps its chunk in memory, so copy what is kept for long.
 */
export class Output {
  #bytes: Buffer = Buffer.alloc(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #start = 0;
  #position = 0;

  begin(): void {
    if (this.#bytes.length - this.#position < BEGIN_BYTES_MIN) this.#useNewChunk(CHUNK_BYTES);
    this.#start = this.#position;
  }

  /** The document without its first `skip` bytes. */
  end(skip: number): Uint8Array {
    const document = this.#bytes.subarray(this.#start + skip, this.#position);
    // A chunk that grew for a large document is that document's alone.
    if (this.#bytes.length > CHUNK_BYTES) this.#forgetChunk();
    return document;
  }

  /** Forgets the document, which nobody has seen. */
  abandon(): void {
    if (this.#bytes.length > CHUNK_BYTES) this.#forgetChunk();
    else this.#position = this.#start;
  }

  skip(count: number): void {
    this.#room(count);
    this.#position += count;
  }

  /** A two-byte tag at the start of the document, where `skip` left room for it. */
  tagAtStart(tag: number): void {
    this.#bytes[this.#start] = 0xd9;
    this.#view.setUint16(this.#start + 1, tag);
  }

  byte(value: number): void {
    this.#room(1);
    this.#bytes[this.#position++] = value;
  }

  /** The head of an item: a major type (0 to 7) and its argument, as short as it goes. */
  head(major: number, argument: number): void {
    this.#room(9);
    const type = major << 5;
    if (argument < 24) this.#bytes[this.#position++] = type | argument;
    else if (argument < 0x100) {
      this.#bytes[this.#position++] = type | 24;
      this.#bytes[this.#position++] = argument;
    } else if (argument < 0x1_0000) {
      this.#bytes[this.#position++] = type | 25;
      this.#bytes[this.#position++] = argument >> 8;
      this.#bytes[this.#position++] = argument & 0xff;
    } else if (argument < 0x1_0000_0000) {
      this.#bytes[this.#position++] = type | 26;
      this.#view.setUint32(this.#position, argument);
      this.#position += 4;
    } else this.head64(major, BigInt(argument));
  }

  /** A head with an argument of eight bytes, also where fewer would do: that is what tells a bigint from a number. */
  head64(major: number, argument: bigint): void {
    this.#room(9);
    this.#bytes[this.#position++] = (major << 5) | 27;
    this.#view.setBigUint64(this.#position, argument);
    this.#position += 8;
  }

  float64(value: number): void {
    this.#room(9);
    this.#bytes[this.#position++] = 0xfb;
    // The bits of a NaN are not part of its value: with them equal values would have different bytes.
    if (!Number.isNaN(value)) this.#view.setFloat64(this.#position, value);
    else this.#view.setBigUint64(this.#position, 0x7ff8_0000_0000_0000n);
    this.#position += 8;
  }

  byteString(content: Uint8Array): void {
    this.head(2, content.length);
    this.#room(content.length);
    this.#bytes.set(content, this.#position);
    this.#position += content.length;
  }

  /** Writes a text string, unless it is ill-formed: then nothing. */
  text(value: string): TextKind {
    const length = value.length;
    if (length >= SHORT_TEXT_LENGTH) return this.#wideText(value);
    this.#room(2 + length);
    const bytes = this.#bytes;
    let position = this.#position;
    if (length >= 24) bytes[position++] = 0x78;
    bytes[position++] = length < 24 ? 0x60 | length : length;
    for (let index = 0; index < length; index++) {
      const unit = value.charCodeAt(index);
      if (unit >= 0x80) return this.#wideText(value);
      bytes[position++] = unit;
    }
    this.#position = position;
    return "plain";
  }

  #wideText(value: string): TextKind {
    if (!(value as WellFormedText).isWellFormed()) return "ill-formed";
    const length = Buffer.byteLength(value);
    this.head(3, length);
    this.#room(length);
    this.#bytes.write(value, this.#position, length, "utf8");
    this.#position += length;
    return value.charCodeAt(0) === BYTE_ORDER_MARK ? "byte-order-mark" : "plain";
  }

  #room(count: number): void {
    if (this.#position + count > this.#bytes.length) this.#grow(count);
  }

  #grow(count: number): void {
    const document = this.#bytes.subarray(this.#start, this.#position);
    this.#useNewChunk(Math.max(2 * document.length, document.length + count, CHUNK_BYTES));
    this.#bytes.set(document);
    this.#start = 0;
    this.#position = document.length;
  }

  #useNewChunk(length: number): void {
    this.#bytes = Buffer.allocUnsafeSlow(length);
    this.#view = new DataView(this.#bytes.buffer);
    this.#position = 0;
  }

  #forgetChunk(): void {
    this.#bytes = Buffer.alloc(0);
    this.#position = 0;
    this.#start = 0;
  }
}

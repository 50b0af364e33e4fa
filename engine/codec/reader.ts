/**
 * Documents to values: extended ones, which open with `TAG_EXTENDED`, and short plain ones. cbor-x is no faster on those, its
 * tags can be redefined by anyone in the process, its typed arrays share the input's memory and its big numbers take
 * quadratic time.
 */
import { VarveError } from "../errors.ts";
import * as profile from "./profile.ts";

const SHORT_TEXT_LENGTH = 16;
const KEY_LENGTH_MAX = 24;
const TAG_EXTENDED_BYTES = 3;
/** Keys seen lately, all of them ASCII: making the same short strings again is the dearest part of reading objects. */
const KEY_SLOTS = 1024;
const recentKeys: (string | undefined)[] = new Array<string | undefined>(KEY_SLOTS).fill(undefined);

/** The memory of a longer document is not kept for the next one. */
const KEPT_BYTES_MAX = 1024 * 1024;
const NONE = Buffer.alloc(0);

/** Reads documents whose bytes were checked before: by their checksum, or by `validateCbor`. It runs no code of others. */
class Reader {
  /** The memory that the document is in: making views of it costs as much as reading a small one. */
  #bytes: Buffer = NONE;
  #view: DataView = new DataView(NONE.buffer);
  #start = 0;
  #position = 0;
  #end = 0;

  readDocument(bytes: Buffer, start: number, end: number): unknown {
    if (this.#bytes !== bytes) this.#goTo(bytes);
    this.#start = start;
    this.#end = end;
    this.#position = start + (profile.isExtended(bytes, start) ? TAG_EXTENDED_BYTES : 0);
    try {
      const value = this.#readValue();
      if (this.#position !== end) throw this.#damage("its end is not where its value ends");
      return value;
    } finally {
      if (end - start > KEPT_BYTES_MAX) this.#goTo(NONE);
    }
  }

  #goTo(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  #readValue(): unknown {
    const first = this.#nextByte();
    const info = first & 31;
    switch (first >> 5) {
      case 0:
        return info === 27 ? this.#uint64() : this.#argument(info);
      case 1:
        return info === 27 ? -1n - this.#uint64() : -1 - this.#argument(info);
      case 2:
        return this.#byteString(this.#argument(info));
      case 3:
        return this.#text(this.#argument(info));
      case 4:
        return this.#items(this.#argument(info));
      case 5:
        return this.#properties(this.#argument(info), {});
      case 6:
        return this.#tagged(this.#argument(info));
      default:
        return this.#simple(info);
    }
  }

  #argument(info: number): number {
    if (info < 24) return info;
    const position = this.#position;
    switch (info) {
      case 24:
        return this.#nextByte();
      case 25:
        this.#position += 2;
        return this.#view.getUint16(position);
      case 26:
        this.#position += 4;
        return this.#view.getUint32(position);
      case 27:
        return Number(this.#uint64());
      default:
        throw this.#damage(`unknown length ${info}`);
    }
  }

  #nextByte(): number {
    if (this.#position >= this.#end) throw this.#damage("it ends too early");
    return this.#bytes[this.#position++]!;
  }

  #uint64(): bigint {
    this.#position += 8;
    return this.#view.getBigUint64(this.#position - 8);
  }

  #simple(info: number): unknown {
    if (info === 20) return false;
    if (info === 21) return true;
    if (info === 22) return null;
    if (info === 23) return undefined;
    if (info !== 27) throw this.#damage(`unknown simple value ${info}`);
    this.#position += 8;
    return this.#view.getFloat64(this.#position - 8);
  }

  /** A view of the document: whoever returns it must copy it. */
  #byteString(length: number): Uint8Array {
    return this.#bytes.subarray(this.#advance(length), this.#position);
  }

  #advance(length: number): number {
    const start = this.#position;
    if (length > this.#end - start) throw this.#damage("a length reaches behind its end");
    this.#position += length;
    return start;
  }

  #text(length: number): string {
    const start = this.#advance(length);
    const text = length <= SHORT_TEXT_LENGTH ? shortText(this.#bytes, start, length) : undefined;
    return text ?? this.#bytes.toString("utf8", start, this.#position);
  }

  #items(length: number): unknown[] {
    if (length > this.#end - this.#position) throw this.#damage("an array is longer than what is left");
    const items = new Array<unknown>(length);
    for (let index = 0; index < length; index++) items[index] = this.#readValue();
    return items;
  }

  #properties(length: number, target: object): object {
    const owner = target as Record<string, unknown>;
    for (let index = 0; index < length; index++) {
      const key = this.#key();
      if (typeof key !== "string") throw this.#damage("a key of an object is not a string");
      const value = this.#readValue();
      if (key === "__proto__") defineProto(owner, value);
      else owner[key] = value;
    }
    return owner;
  }

  /** The next value, which is most often a short text that was a key before. */
  #key(): unknown {
    const bytes = this.#bytes;
    const length = bytes[this.#position]! - 0x60;
    const start = this.#position + 1;
    if (!(length > 0 && length < KEY_LENGTH_MAX && start + length <= this.#end)) return this.#readValue();
    const end = start + length;
    const slot = (length + 31 * bytes[start]! + 97 * bytes[end - 1]! + 389 * bytes[end - 2]!) % KEY_SLOTS;
    const recent = recentKeys[slot];
    if (recent?.length === length && isTextAt(recent, bytes, start)) {
      this.#position = end;
      return recent;
    }
    const key = this.#readValue() as string;
    // A text as long as its UTF-8 is ASCII, where units and bytes can be compared.
    if (key.length === length) recentKeys[slot] = key;
    return key;
  }

  #tagged(tag: number): unknown {
    const typedArray = profile.TYPED_ARRAY_BY_TAG.get(tag);
    if (typedArray !== undefined) return this.#typedArray(typedArray);
    switch (tag) {
      case profile.TAG_MAP:
        return this.#map();
      case profile.TAG_SET:
        return new Set(this.#items(this.#expect(4)));
      case profile.TAG_BARE_OBJECT:
        return this.#properties(this.#expect(5), Object.create(null) as object);
      case profile.TAG_EPOCH_TIME:
        return new Date(Math.round((this.#readValue() as number) * 1000));
      case profile.TAG_EXTENDED_TIME:
        return this.#extendedTime();
      case profile.TAG_UTF16_TEXT:
        return (this.#byteString(this.#expect(2)) as Buffer).toString("utf16le");
      case profile.TAG_BIG_POSITIVE:
        return this.#bigNumber();
      case profile.TAG_BIG_NEGATIVE:
        return -1n - this.#bigNumber();
      case profile.TAG_ARRAY_BUFFER:
        return this.#ownBuffer();
      case profile.TAG_DATA_VIEW:
        return new DataView(this.#ownBuffer());
      default:
        throw this.#damage(`unknown tag ${tag}`);
    }
  }

  /** The argument of the next item, which must be of this major type. */
  #expect(major: number): number {
    const first = this.#nextByte();
    if (first >> 5 !== major)
      throw this.#damage(`a tag's content has the major type ${first >> 5}, not ${major}`);
    return this.#argument(first & 31);
  }

  #map(): Map<unknown, unknown> {
    const length = this.#expect(5);
    const map = new Map<unknown, unknown>();
    for (let index = 0; index < length; index++) map.set(this.#readValue(), this.#readValue());
    return map;
  }

  #extendedTime(): Date {
    const parts = new Map<unknown, unknown>();
    const length = this.#expect(5);
    for (let index = 0; index < length; index++) parts.set(this.#readValue(), this.#readValue());
    const seconds = parts.get(profile.TIME_KEY_SECONDS) as number;
    return new Date(seconds * 1000 + (parts.get(profile.TIME_KEY_MILLISECONDS) as number));
  }

  #bigNumber(): bigint {
    const hex = (this.#byteString(this.#expect(2)) as Buffer).toString("hex");
    return BigInt(`0x${hex === "" ? "0" : hex}`);
  }

  #typedArray(kind: profile.TypedArrayKind): unknown {
    const buffer = this.#ownBuffer();
    if (kind.make === undefined) {
      throw new VarveError("NOT_SUPPORTED", `this version of Node.js has no ${kind.name}`, {
        hint: "load it with a newer version of Node.js",
      });
    }
    return new kind.make(buffer);
  }

  /** The next byte string in memory of its own. */
  #ownBuffer(): ArrayBuffer {
    const content = this.#byteString(this.#expect(2));
    const buffer = new ArrayBuffer(content.length);
    new Uint8Array(buffer).set(content);
    return buffer;
  }

  #damage(what: string): VarveError {
    return new VarveError(
      "CORRUPTION",
      `a CBOR document can't be read at byte ${this.#position - this.#start}: ${what}`,
      {
        details: { offset: this.#position - this.#start },
      },
    );
  }
}

/** Undefined for one that is not ASCII. Up to some length, V8 makes it sooner than the way to native code and back takes. */
function shortText(bytes: Uint8Array, start: number, length: number): string | undefined {
  const end = start + length;
  let text = "";
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const a = bytes[at]!;
    const b = bytes[at + 1]!;
    const c = bytes[at + 2]!;
    const d = bytes[at + 3]!;
    if ((a | b | c | d) >= 0x80) return undefined;
    text += String.fromCharCode(a, b, c, d);
  }
  for (; at < end; at++) {
    const byte = bytes[at]!;
    if (byte >= 0x80) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}

function isTextAt(text: string, bytes: Uint8Array, start: number): boolean {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) !== bytes[start + index]) return false;
  }
  return true;
}

/** Plain assignment would set the prototype. */
function defineProto(owner: object, value: unknown): void {
  Object.defineProperty(owner, "__proto__", { value, writable: true, enumerable: true, configurable: true });
}

const reader = new Reader();

/** The value shares no memory with the bytes. @throws CORRUPTION */
export function readDocument(bytes: Buffer, start: number, end: number): unknown {
  return reader.readDocument(bytes, start, end);
}

/** A check of documents that come from elsewhere, before anything decodes them. */
import { isUtf8 } from "node:buffer";
import { VarveError } from "../errors.ts";
import * as profile from "./profile.ts";

const MAJOR_BYTES = 2;
const MAJOR_TEXT = 3;
const MAJOR_ARRAY = 4;
const MAJOR_MAP = 5;
const MAJOR_TAG = 6;
const MAJOR_SIMPLE = 7;

/** What a tag may stand before: items of one of these major types. */
const NUMBERS: readonly number[] = [0, 1, MAJOR_SIMPLE];
const CONTENT: ReadonlyMap<number, readonly number[]> = new Map([
  [profile.TAG_EPOCH_TIME, NUMBERS],
  [profile.TAG_EXTENDED_TIME, [MAJOR_MAP]],
  [profile.TAG_BIG_POSITIVE, [MAJOR_BYTES]],
  [profile.TAG_BIG_NEGATIVE, [MAJOR_BYTES]],
  [profile.TAG_SET, [MAJOR_ARRAY]],
  [profile.TAG_MAP, [MAJOR_MAP]],
  [profile.TAG_BARE_OBJECT, [MAJOR_MAP]],
  [profile.TAG_UTF16_TEXT, [MAJOR_BYTES]],
  [profile.TAG_ARRAY_BUFFER, [MAJOR_BYTES]],
  [profile.TAG_DATA_VIEW, [MAJOR_BYTES]],
  ...profile.TYPED_ARRAYS.map((kind): [number, readonly number[]] => [kind.tag, [MAJOR_BYTES]]),
]);

/** An array or map that is being read. */
interface Open {
  /** Items still to come; of a map, keys and values. */
  left: number;
  /** Whether keys must be text, as those of objects are. */
  readonly ofObject: boolean;
}

/**
 * Throws `CORRUPTION` with the offset unless `bytes` are one document of the profile, complete and with nothing behind it.
 * What passes can be given to `decodeValue`: time and memory are linear in the number of bytes. Does not recurse.
 */
export function validateCbor(bytes: Uint8Array): void {
  new Validator(bytes).run();
}

class Validator {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #open: Open[] = [];
  #position = 0;
  #extended = false;
  /** Whether the item that is read is the key of an object. */
  #isKey = false;
  /** The tag in front of the next item. */
  #tag: number | undefined;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  run(): void {
    this.#openDocument();
    do {
      this.#item();
    } while (this.#tag !== undefined || this.#closeFinished());
    if (this.#position < this.#bytes.length)
      throw this.#damage(this.#position, "bytes behind the end of the value");
  }

  /** Steps over the tag of extended documents; without it there are no tags at all, so cbor-x never meets one. */
  #openDocument(): void {
    const bytes = this.#bytes;
    if (bytes[0] !== 0xd9 || bytes.length < 3 || this.#view.getUint16(1) !== profile.TAG_EXTENDED) return;
    this.#extended = true;
    this.#position = 3;
  }

  /** Closes what is complete; whether an item is still missing. */
  #closeFinished(): boolean {
    while (this.#open.length > 0 && this.#open.at(-1)!.left === 0) this.#open.pop();
    return this.#open.length > 0;
  }

  #item(): void {
    const start = this.#position;
    const first = this.#bytes[start];
    if (first === undefined) throw this.#damage(start, "the end comes too early");
    this.#position++;
    const major = first >> 5;
    const tag = this.#tag;
    this.#tag = undefined;
    if (tag === undefined) this.#count(start, major);
    else if (!CONTENT.get(tag)!.includes(major))
      throw this.#damage(start, `the content of tag ${tag} is of a wrong type`);
    if (tag === profile.TAG_EPOCH_TIME && isBigInt(first)) throw this.#damage(start, "a time is no number");
    if (major === MAJOR_SIMPLE) this.#simple(start, first & 31, tag);
    else this.#content(start, major, this.#argument(start, first & 31), tag);
  }

  #content(start: number, major: number, argument: number, tag: number | undefined): void {
    if (major === MAJOR_TAG) this.#takeTag(start, argument);
    else if (major >= MAJOR_ARRAY) this.#enter(start, major, argument, tag);
    else if (major >= MAJOR_BYTES) this.#string(start, major, argument, tag);
  }

  /** Takes the item's place in the array or map around it. */
  #count(start: number, major: number): void {
    const parent = this.#open.at(-1);
    if (parent === undefined) return;
    this.#isKey = parent.ofObject && parent.left % 2 === 0;
    if (this.#isKey && major !== MAJOR_TEXT && !this.#isUtf16TextAt(start)) {
      throw this.#damage(start, "a key of an object is not a text");
    }
    parent.left--;
  }

  #isUtf16TextAt(start: number): boolean {
    return this.#bytes[start] === 0xd9 && start + 3 <= this.#bytes.length
      ? this.#view.getUint16(start + 1) === profile.TAG_UTF16_TEXT
      : false;
  }

  #argument(start: number, info: number): number {
    if (info < 24) return info;
    if (info > 27) throw this.#damage(start, "an indefinite or unknown length");
    const width = 1 << (info - 24);
    const position = this.#position;
    if (position + width > this.#bytes.length) throw this.#damage(start, "the end comes too early");
    this.#position += width;
    if (info === 24) return this.#view.getUint8(position);
    if (info === 25) return this.#view.getUint16(position);
    if (info === 26) return this.#view.getUint32(position);
    return Number(this.#view.getBigUint64(position));
  }

  #simple(start: number, info: number, tag: number | undefined): void {
    const isNumber = info === 27;
    if (isNumber) this.#argument(start, info);
    else if (tag !== undefined || info < 20 || info > 23)
      throw this.#damage(start, `the simple value ${info} is unknown`);
  }

  #takeTag(start: number, tag: number): void {
    if (!this.#extended)
      throw this.#damage(start, `tag ${tag} in a document without Varve's own tag in front`);
    if (!CONTENT.has(tag)) throw this.#damage(start, `tag ${tag} is not of this profile`);
    this.#tag = tag;
  }

  #enter(start: number, major: number, length: number, tag: number | undefined): void {
    const left = major === MAJOR_MAP ? 2 * length : length;
    // Each item takes a byte or more.
    if (left > this.#bytes.length - this.#position)
      throw this.#damage(start, "more items than bytes are left");
    if (tag === profile.TAG_EXTENDED_TIME) this.#checkTime(start, length);
    if (this.#open.length >= profile.NESTING_MAX) {
      throw this.#damage(start, `nested more than ${profile.NESTING_MAX} levels deep`);
    }
    const ofObject = major === MAJOR_MAP && (tag === undefined || tag === profile.TAG_BARE_OBJECT);
    this.#open.push({ left, ofObject });
  }

  /** Looks ahead: a map of the two parts of a time, with numbers as values. That they are complete is checked as they come. */
  #checkTime(start: number, length: number): void {
    const bytes = this.#bytes;
    const seconds = this.#position + 1;
    const milliseconds = seconds + numberBytes(bytes[seconds]) + 1;
    const isTime =
      length === 2 &&
      bytes[seconds - 1] === profile.TIME_KEY_SECONDS &&
      numberBytes(bytes[seconds]) > 0 &&
      bytes[milliseconds - 1] === 0x1f - profile.TIME_KEY_MILLISECONDS &&
      numberBytes(bytes[milliseconds]) > 0;
    if (!isTime) throw this.#damage(start, "a time is not made of its two parts");
  }

  #string(start: number, major: number, length: number, tag: number | undefined): void {
    if (length > this.#bytes.length - this.#position)
      throw this.#damage(start, "a string is longer than what is left");
    const content = this.#bytes.subarray(this.#position, this.#position + length);
    this.#position += length;
    if (major === MAJOR_TEXT) this.#checkText(start, content);
    else this.#checkBytes(start, length, tag);
  }

  #checkText(start: number, content: Uint8Array): void {
    if (!isUtf8(content)) throw this.#damage(start, "a text is not UTF-8");
    if (this.#extended) return;
    if (startsWithMark(content) || (this.#isKey && PROTO.equals(content))) {
      throw this.#damage(start, "a text that needs Varve's own tag in front of the document");
    }
  }

  #checkBytes(start: number, length: number, tag: number | undefined): void {
    if (tag === undefined) throw this.#damage(start, "a byte string without a tag");
    const isBig = tag === profile.TAG_BIG_POSITIVE || tag === profile.TAG_BIG_NEGATIVE;
    if (isBig && length > profile.BIG_NUMBER_BYTES_MAX) throw this.#damage(start, "a number is too big");
    const width = tag === profile.TAG_UTF16_TEXT ? 2 : (profile.TYPED_ARRAY_BY_TAG.get(tag)?.width ?? 1);
    if (length % width !== 0) throw this.#damage(start, `the length is no multiple of ${width} bytes`);
  }

  #damage(offset: number, what: string): VarveError {
    return new VarveError(
      "CORRUPTION",
      `not a CBOR document of this store's profile: ${what}, at byte ${offset}`,
      {
        details: { offset },
      },
    );
  }
}

function isBigInt(first: number): boolean {
  return first === 0x1b || first === 0x3b;
}

/** Bytes of the number that begins with `first`; 0 if there is none, or if it is a bigint. */
function numberBytes(first = 0xff): number {
  if (first === 0xfb) return 9;
  if (first >> 5 > 1 || (first & 31) > 26) return 0;
  return (first & 31) < 24 ? 1 : 1 + (1 << ((first & 31) - 24));
}

/** This key is renamed by the reader of plain documents. */
const PROTO = Buffer.from("__proto__");

/** A byte-order mark may be dropped by the reader of plain documents. */
function startsWithMark(content: Uint8Array): boolean {
  return content[0] === 0xef && content[1] === 0xbb && content[2] === 0xbf;
}

/** The numbers of Varve's CBOR profile, shared by the writer, the reader and the validator. `README.md` explains them. */

/** Arrays, objects, maps and sets may lie this deep in each other. */
export const NESTING_MAX = 1_000;

/** Longer objects and arrays make a document extended: cbor-x, which reads the others, has limits further on. */
export const PLAIN_ITEMS_MAX = 10_000_000;

/** V8's largest bigint, 2^30 bits. The reader is linear in it, so the limit guards memory and nothing else. */
export const BIG_NUMBER_BYTES_MAX = 2 ** 27;

/** Tags of the IANA registry. */
export const TAG_EPOCH_TIME = 1;
export const TAG_BIG_POSITIVE = 2;
export const TAG_BIG_NEGATIVE = 3;
export const TAG_SET = 258;
export const TAG_MAP = 259;
export const TAG_EXTENDED_TIME = 1001;

/** Tags of Varve, from the first-come-first-served range. The first opens a document, and only a document with it has tags. */
export const TAG_EXTENDED = 52_801;
export const TAG_BARE_OBJECT = 52_802;
export const TAG_UTF16_TEXT = 52_803;
export const TAG_ARRAY_BUFFER = 52_804;
export const TAG_DATA_VIEW = 52_805;

/** Whether a document opens with Varve's own tag: its values need more than plain CBOR data. */
export function isExtended(bytes: Uint8Array, start = 0): boolean {
  if (bytes[start] !== 0xd9) return false;
  return bytes[start + 1] === TAG_EXTENDED >> 8 && bytes[start + 2] === (TAG_EXTENDED & 0xff);
}

/** Keys of the map inside {@link TAG_EXTENDED_TIME} (RFC 9581): whole seconds since 1970, and milliseconds on top. */
export const TIME_KEY_SECONDS = 1;
export const TIME_KEY_MILLISECONDS = -3;

export type TypedArray =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

export interface TypedArrayKind {
  readonly tag: number;
  readonly name: string;
  readonly width: number;
  /** Absent where the runtime does not have the class. */
  readonly make?: new (
    buffer: ArrayBuffer,
  ) => TypedArray;
}

/** The little-endian tags of RFC 8746. */
const TYPED_ARRAY_TAGS: readonly (readonly [name: string, tag: number, width: number])[] = [
  ["Uint8Array", 64, 1],
  ["Uint8ClampedArray", 68, 1],
  ["Uint16Array", 69, 2],
  ["Uint32Array", 70, 4],
  ["BigUint64Array", 71, 8],
  ["Int8Array", 72, 1],
  ["Int16Array", 77, 2],
  ["Int32Array", 78, 4],
  ["BigInt64Array", 79, 8],
  ["Float16Array", 84, 2],
  ["Float32Array", 85, 4],
  ["Float64Array", 86, 8],
];

export const TYPED_ARRAYS: readonly TypedArrayKind[] = TYPED_ARRAY_TAGS.map(([name, tag, width]) => {
  const make = (globalThis as unknown as Record<string, TypedArrayKind["make"]>)[name];
  return make === undefined ? { tag, name, width } : { tag, name, width, make };
});

export const TYPED_ARRAY_BY_NAME: ReadonlyMap<string, TypedArrayKind> = new Map(
  TYPED_ARRAYS.map((kind) => [kind.name, kind]),
);

export const TYPED_ARRAY_BY_TAG: ReadonlyMap<number, TypedArrayKind> = new Map(
  TYPED_ARRAYS.map((kind) => [kind.tag, kind]),
);

/** Typed arrays are kept as they lie in memory, which is the order that the tags say only on little-endian machines. */
export const HOST_IS_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

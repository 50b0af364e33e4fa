/** The codec of structured values: CBOR in the profile that `README.md` describes. */
import { Encoder } from "cbor-x";
import type { Codec } from "../api.ts";
import { VarveError } from "../errors.ts";
import { isExtended } from "./profile.ts";
import { readDocument } from "./reader.ts";
import { writeDocument } from "./writer.ts";

export const MEDIA_TYPE_CBOR = "application/cbor";

/** cbor-x makes many short texts sooner than can be done here, but has more to do before it begins. */
const SHORT_BYTES_MAX = 4 * 1024;

/** Only plain documents, which have no tags, are given to it: what others register in cbor-x can't change a value. */
const plain = new Encoder({ useRecords: false, variableMapSize: true });

/**
 * The CBOR of `value`, or `UNSUPPORTED_VALUE` naming the place (`value.layers[2].activation is a function`); `path` is what
 * the value itself is called there. Runs no code of the value. The bytes are a view of a chunk that others share and
 * nobody writes again: right for writing them out, but copy them to keep them in memory.
 */
export function encodeValue(value: unknown, path = "value"): Uint8Array {
  try {
    return writeDocument(value, path);
  } catch (error) {
    if (error instanceof VarveError) throw error;
    throw new VarveError("UNSUPPORTED_VALUE", `${path} can't be encoded: ${messageOf(error)}`, {
      hint: "it may be too large for memory, or there may be too little stack left for its nesting",
      details: { path },
      cause: error,
    });
  }
}

/**
 * The value of a document that `encodeValue` wrote. `bytes` must be intact (checked by a checksum) or have passed
 * `validateCbor`. The value shares no memory with them.
 */
export function decodeValue(bytes: Uint8Array): unknown {
  return decodeValueWithin(
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    0,
    bytes.byteLength,
  );
}

/** The same for a document from `start` to `end` of `memory`. */
export function decodeValueWithin(memory: Buffer, start: number, end: number): unknown {
  try {
    if (end - start <= SHORT_BYTES_MAX || isExtended(memory, start)) return readDocument(memory, start, end);
    return plain.decode(memory.subarray(start, end)) as unknown;
  } catch (error) {
    if (error instanceof VarveError) throw error;
    if (isStackOverflow(error)) {
      throw new VarveError(
        "NOT_SUPPORTED",
        "there is too little stack left to decode a value as deep as this",
        {
          hint: "load it from less deep in the program, or run node with a larger --stack-size",
          cause: error,
        },
      );
    }
    throw new VarveError("CORRUPTION", `a CBOR document can't be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

export const cborCodec: Codec = {
  mediaType: MEDIA_TYPE_CBOR,
  encode: (value) => encodeValue(value),
  decode: decodeValue,
};

function isStackOverflow(error: unknown): boolean {
  return error instanceof RangeError && error.message.includes("call stack");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

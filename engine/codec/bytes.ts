/** The codec of raw bytes, which are kept as they are. */
import { types } from "node:util";
import type { Codec } from "../api.ts";
import { VarveError } from "../errors.ts";
import { hasOnlyItems, kindOf, memoryOf, typedArrayNameOf } from "./kinds.ts";
import { checkBuffer } from "./leaves.ts";

export const MEDIA_TYPE_BYTES = "application/octet-stream";

/** Whether a value is kept as raw bytes when nobody says otherwise: a `Uint8Array` or `Buffer`, but no class derived from them. */
export function isByteValue(value: unknown): value is Uint8Array {
  if (!types.isTypedArray(value) || typedArrayNameOf(value) !== "Uint8Array") return false;
  return (
    kindOf(value) === "typedArray" && hasOnlyItems(value) && Object.getOwnPropertySymbols(value).length === 0
  );
}

/** A copy of the bytes in memory of its own, taken now. */
export function encodeBytes(value: unknown): Uint8Array {
  return copyOf(viewOfBytes(value));
}

/** The bytes themselves. @throws UNSUPPORTED_VALUE */
export function viewOfBytes(value: unknown): Uint8Array {
  if (!isByteValue(value)) {
    throw new VarveError("UNSUPPORTED_VALUE", "value is no Uint8Array or Buffer, so it has no raw bytes", {
      hint: `leave out the codec "${MEDIA_TYPE_BYTES}"`,
      details: { path: "value" },
    });
  }
  checkBuffer(memoryOf(value).buffer, "value");
  const { buffer, offset, length } = memoryOf(value);
  return new Uint8Array(buffer, offset, length);
}

/** The bytes as a `Uint8Array` that shares no memory with anything, and whose `buffer` holds nothing else. */
export function decodeBytes(bytes: Uint8Array): Uint8Array {
  const isAlone =
    bytes.byteLength === bytes.buffer.byteLength && Object.getPrototypeOf(bytes) === Uint8Array.prototype;
  return isAlone ? bytes : copyOf(bytes);
}

export const bytesCodec: Codec = { mediaType: MEDIA_TYPE_BYTES, encode: encodeBytes, decode: decodeBytes };

function copyOf(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  return copy;
}

/** The values that hold no others, as CBOR. Where one can't be kept, `path` says what it is called. */
import { types } from "node:util";
import { hasOnlyItems, isDetached, isResizable, memoryOf, typedArrayNameOf } from "./kinds.ts";
import type { Output } from "./output.ts";
import * as profile from "./profile.ts";
import { refusal, refusalOfObject } from "./refusal.ts";

const { is } = Object;
const getTime = Date.prototype.getTime;

export function writeNumber(output: Output, value: number): void {
  if (value >>> 0 === value && !is(value, -0)) output.head(0, value);
  else if (value < 0 && value >= -0x1_0000_0000 && Math.floor(value) === value) output.head(1, -1 - value);
  else output.float64(value);
}

/** Whether it was written as plain CBOR data, which any decoder gives back as it is. */
export function writeText(output: Output, value: string): boolean {
  const kind = output.text(value);
  if (kind !== "ill-formed") return kind === "plain";
  output.head(6, profile.TAG_UTF16_TEXT);
  output.byteString(Buffer.from(value, "utf16le"));
  return false;
}

/** Whether it was written as plain CBOR data: up to 64 bits it is an integer of eight bytes, beyond that tagged bytes. */
export function writeBigInt(output: Output, value: bigint): boolean {
  const magnitude = value < 0n ? -1n - value : value;
  if (magnitude >> 64n === 0n) {
    output.head64(value < 0n ? 1 : 0, magnitude);
    return true;
  }
  const digits = magnitude.toString(16);
  output.head(6, value < 0n ? profile.TAG_BIG_NEGATIVE : profile.TAG_BIG_POSITIVE);
  output.byteString(Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, "hex"));
  return false;
}

export function writeDate(output: Output, value: Date): void {
  const time = getTime.call(value);
  const seconds = time / 1000;
  if (Number.isNaN(time) || Math.round(seconds * 1000) === time) {
    output.head(6, profile.TAG_EPOCH_TIME);
    writeNumber(output, seconds);
    return;
  }
  // Far from 1970 a fraction of a second does not fit into the float.
  const whole = Math.floor(seconds);
  output.head(6, profile.TAG_EXTENDED_TIME);
  output.head(5, 2);
  writeNumber(output, profile.TIME_KEY_SECONDS);
  writeNumber(output, whole);
  writeNumber(output, profile.TIME_KEY_MILLISECONDS);
  writeNumber(output, time - whole * 1000);
}

export function writeTypedArray(output: Output, value: profile.TypedArray, path: string): void {
  const kind = profile.TYPED_ARRAY_BY_NAME.get(typedArrayNameOf(value));
  if (kind === undefined) throw refusalOfObject(path, value);
  if (kind.width > 1 && !profile.HOST_IS_LITTLE_ENDIAN) {
    throw refusal(path, `is a ${kind.name}, which is kept on little-endian machines only`);
  }
  if (!hasOnlyItems(value)) throw refusal(path, "is a typed array with properties beside its items");
  output.head(6, kind.tag);
  output.byteString(bytesOf(value, path));
}

export function writeDataView(output: Output, value: DataView, path: string): void {
  output.head(6, profile.TAG_DATA_VIEW);
  output.byteString(bytesOf(value, path));
}

export function writeArrayBuffer(output: Output, value: ArrayBuffer, path: string): void {
  checkBuffer(value, path);
  output.head(6, profile.TAG_ARRAY_BUFFER);
  output.byteString(new Uint8Array(value));
}

/** The bytes under a typed array or `DataView`. */
function bytesOf(view: ArrayBufferView, path: string): Uint8Array {
  const { buffer, offset, length } = memoryOf(view);
  checkBuffer(buffer, path);
  return new Uint8Array(buffer, offset, length);
}

/** Refuses memory that others may change, or that comes back as something else. */
export function checkBuffer(buffer: ArrayBufferLike, path: string): void {
  if (types.isSharedArrayBuffer(buffer)) {
    throw refusal(
      path,
      "lies in a SharedArrayBuffer",
      "save a copy: other threads could change it meanwhile",
    );
  }
  if (isResizable(buffer)) {
    throw refusal(path, "lies in a resizable ArrayBuffer", "save a copy with a fixed length");
  }
  if (isDetached(buffer)) {
    throw refusal(
      path,
      "lies in an ArrayBuffer that was transferred away",
      "save it before it is transferred",
    );
  }
}

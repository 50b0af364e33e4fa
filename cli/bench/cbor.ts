/** The codec that stores of bytes are given: the one that varve and lmdb-js are built on, so that no row is about codecs. */

import { decode, encode } from "cbor-x";

export function toBytes(value: unknown): Buffer {
  return encode(value);
}

export function fromBytes(bytes: Uint8Array): unknown {
  return decode(bytes);
}

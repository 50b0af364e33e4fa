/** The codec that stores of bytes are given: the one that varve and lmdb-js are built on, so that no row is about codecs. */

// As it is built, the command line is one file, and what it imports in the usual way would be loaded by every verb.
const { decode, encode } = await import("cbor-x");

export function toBytes(value: unknown): Buffer {
  return encode(value);
}

export function fromBytes(bytes: Uint8Array): unknown {
  return decode(bytes);
}

import { hash } from "node:crypto";
import { VarveError } from "../errors.ts";
import { DIGEST_BYTES } from "../log/format.ts";

const TEXT = /^sha256:[0-9a-f]{64}$/;

/**
 * The content address of bytes: their SHA-256, 32 bytes. By way of a text, since a buffer that Node.js makes for it has memory
 * of its own, which takes as long as a quarter of the hash of a short value.
 */
export function contentDigest(bytes: Uint8Array): Buffer {
  return Buffer.from(hash("sha256", bytes, "binary"), "latin1");
}

/** `sha256:<64 hex>`. */
export function digestText(digest: Uint8Array): string {
  return `sha256:${Buffer.from(digest.buffer, digest.byteOffset, DIGEST_BYTES).toString("hex")}`;
}

export function parseDigest(text: string): Buffer {
  if (TEXT.test(text)) return Buffer.from(text.slice("sha256:".length), "hex");
  throw new VarveError("INVALID_ARGUMENT", `not a digest: ${text}`, {
    hint: "a digest is `sha256:` and 64 hex digits",
  });
}

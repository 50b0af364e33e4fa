/** Which artifacts hold a structured value, and not the bytes of a file. */

import type { Artifact } from "../engine/main.ts";

/** The media type that the store keeps everything under that is no bytes. */
const MEDIA_TYPE_STRUCTURED = "application/cbor";

export function isStructured({ mediaType }: Artifact): boolean {
  return mediaType === MEDIA_TYPE_STRUCTURED;
}

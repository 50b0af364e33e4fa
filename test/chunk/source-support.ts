import * as assert from "uvu/assert";
import { FILE_PIECE_BYTES } from "../../engine/chunk/file.ts";
import { piecesOf } from "../../engine/chunk/source.ts";

export async function all(source: Parameters<typeof piecesOf>[0], signal?: AbortSignal): Promise<Buffer> {
  const copies: Buffer[] = [];
  let bytes = 0;
  for await (const piece of piecesOf(source, { signal })) {
    assert.ok(piece.length > 0, "an empty piece");
    copies.push(Buffer.from(piece));
    bytes += piece.length;
    assert.ok(bytes <= 16 * FILE_PIECE_BYTES, "it has no end");
  }
  return Buffer.concat(copies);
}

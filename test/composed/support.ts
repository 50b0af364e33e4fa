import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { decodeNode, referencesOf } from "../../engine/chunk/node.ts";
import { blobKey, readBlobRow } from "../../engine/composed/blob-rows.ts";
import { DIGEST_BYTES, RECORD_HEADER_BYTES } from "../../engine/log/format.ts";
import { segmentPath } from "../../engine/log/segment.ts";
import { openCore } from "../../engine/open.ts";

/** Flips a bit of a blob, or of the last of its chunks, in the log of a home that nobody has open. */
export async function damageInLog(home: string, digest: Uint8Array): Promise<void> {
  const { core, release } = await openCore(home, { application: "valuelog" });
  const key = blobKey(digest);
  const { reference, isChunked } = readBlobRow(key, core.row(key)!)!;
  const damaged = isChunked
    ? referencesOf(decodeNode(await core.blobByDigest(reference))).at(-1)!
    : reference;
  const { segment, offset, payloadLength } = core.blobRow(damaged)!.place;
  const path = segmentPath(`${home}/log`, segment);
  await release();
  flipBit(path, offset + RECORD_HEADER_BYTES + DIGEST_BYTES + (payloadLength >> 1));
}

export function flipBit(path: string, at: number): void {
  const fd = openSync(path, "r+");
  try {
    const byte = Buffer.alloc(1);
    readSync(fd, byte, 0, 1, at);
    byte[0]! ^= 0x10;
    writeSync(fd, byte, 0, 1, at);
  } finally {
    closeSync(fd);
  }
}

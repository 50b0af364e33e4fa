import { randomBytes } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { fromSystemError } from "./errors.ts";

/** A temporary file beside it, synced, then renamed over it. */
export async function writeFileAtomically(path: string, pieces: AsyncGenerator<Uint8Array>): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const file = await open(temporary, "wx");
    try {
      for await (const piece of pieces) await file.writeFile(piece);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw fromSystemError(error, `writing ${path}`);
  } finally {
    await pieces.return(undefined);
  }
}

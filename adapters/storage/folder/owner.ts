import { link, open, readFile, rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { VarveError } from "../../../engine/main.ts";
import { noStoreId } from "./failures.ts";
import type { FolderSyncs } from "./folder-syncs.ts";
import type { Layout } from "./layout.ts";
import { isCode, unlessMissing } from "./system.ts";

/** Whose values a folder keeps, as `varve.json` says: `{"format":1,"store":"<32 hexadecimal digits>"}`. */

const FORMAT = 1;
const STORE_ID = /^[0-9a-f]{32}$/;
/** Where it is not there whole at once, since the file system has no links. */
const TRIES = 20;
const PAUSE_MILLISECONDS = 50;
const NO_LINKS = ["EPERM", "ENOTSUP", "ENOSYS", "EOPNOTSUPP", "EMLINK"];

/** @throws NOT_SUPPORTED for a newer format, CORRUPTION */
export async function readOwner({ ownerFile }: Layout): Promise<string | undefined> {
  for (let tries = 1; ; tries++) {
    const text = await unlessMissing(readFile(ownerFile, "utf8"));
    if (text === undefined) return undefined;
    if (text.endsWith("\n")) return ownerIn(text, ownerFile);
    if (tries === TRIES) throw unreadable(ownerFile);
    await sleep(PAUSE_MILLISECONDS);
  }
}

function ownerIn(text: string, path: string): string {
  let format: unknown;
  let store: unknown;
  try {
    ({ format, store } = Object(JSON.parse(text)));
  } catch (error) {
    throw unreadable(path, error);
  }
  if (Number.isInteger(format) && (format as number) > FORMAT) {
    throw new VarveError("NOT_SUPPORTED", `${path} is of format ${format}, which is newer than this Varve`, {
      hint: "update Varve; it reads formats up to its own",
    });
  }
  if (format !== FORMAT || typeof store !== "string" || !STORE_ID.test(store)) throw unreadable(path);
  return store;
}

/** Gives whose folder it is from now on: of two that ask at the same time, that of the first. */
export async function writeOwner(layout: Layout, store: string, syncs: FolderSyncs): Promise<string> {
  const { folder, ownerFile } = layout;
  if (!STORE_ID.test(store)) throw noStoreId(store);
  const temporary = layout.newTemporary("owner");
  const text = `${JSON.stringify({ format: FORMAT, store })}\n`;
  try {
    await writeNew(temporary, text);
    await link(temporary, ownerFile).catch(async (error: unknown) => {
      if (isCode(error, "EEXIST")) return;
      if (!isCode(error, ...NO_LINKS)) throw error;
      await writeNew(ownerFile, text).catch((failed: unknown) => {
        if (!isCode(failed, "EEXIST")) throw failed;
      });
    });
    await syncs.folder(folder);
    return (await readOwner(layout)) ?? store;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function writeNew(path: string, text: string): Promise<void> {
  const file = await open(path, "wx");
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

function unreadable(path: string, cause?: unknown): VarveError {
  return new VarveError("CORRUPTION", `${path} does not say whose values these are`, {
    hint: 'put it back: {"format":1,"store":"…"} with the id of the store',
    cause,
    details: { file: path },
  });
}

import type { OpenedStore } from "../conformance/store-support.ts";
import type { DatabaseName } from "../services/server.ts";
import { newDatabase } from "../services/services.ts";
import type { OpenParts, Parts } from "./stores.ts";
import { openComposed } from "./stores.ts";

/** A store whose metadata are in a new database of a server, which goes with it. */
export async function openOnServer(
  name: DatabaseName,
  blobs: Parts["blobs"],
  options?: OpenParts,
): Promise<OpenedStore> {
  const database = await newDatabase(name);
  const opened = await openComposed({ metadata: { url: database.url }, blobs }, options);
  return {
    ...opened,
    close: async () => {
      await opened.close();
      await database.drop();
    },
  };
}

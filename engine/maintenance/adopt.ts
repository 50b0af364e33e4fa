import type { Catalog } from "../index/catalog.ts";
import { markUnclean } from "../index/mark.ts";
import type { SharedState } from "../index/shared-state.ts";
import { LogReader } from "../log/reader.ts";
import { LogWriter } from "../log/writer.ts";
import { adoptWhole, goesOn } from "./catch-up.ts";
import type { Home } from "./home.ts";
import { indexFolder, logFolder } from "./home.ts";

/**
 * Under the lock, in a boot that knows the store: what a process wrote that died before it could say so is there for who
 * opens the store, as it is for who writes next, for an index that is made anew, and behind a reboot. Nothing that is
 * found then was not there before, unless others had the store open all the time.
 */
export function adoptLeft(home: Home, catalog: Catalog, state: SharedState): SharedState {
  const { files } = home;
  const { identity, generation } = state;
  const folder = logFolder(home.folder);
  // Bytes behind a cut never count, and what a failed sync left in doubt is written again first.
  if (state.cutAtTail || state.syncFailed || !goesOn({ files, folder }, state.tail)) return state;
  const reader = new LogReader(files, folder, identity);
  const writer = new LogWriter(files, folder, identity);
  try {
    if (!state.indexUnclean) markUnclean(indexFolder(home.folder, generation));
    const tail = adoptWhole({ files, folder, reader, writer, catalog }, state);
    return { ...state, tail, indexUnclean: true };
  } finally {
    writer.close();
    reader.close();
  }
}

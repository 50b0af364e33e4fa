import { throwIfAborted } from "../errors.ts";
import type { ListQuery, MetadataStore, VersionRecord } from "../ports/metadata-store.ts";

/** Versions of all names, in the order of names, those of each name newest first. @param after go on behind this one */
export function everyVersion(
  metadata: MetadataStore,
  mode: "live" | "deleted",
  signal?: AbortSignal,
  after?: ListQuery["after"],
): AsyncIterable<VersionRecord> {
  return metadata.list({
    ...{ mode, sort: "name", reverse: false, limit: Number.POSITIVE_INFINITY, prefix: "", isExact: false },
    hints: {},
    ...(after && { after }),
    matches: () => {
      throwIfAborted(signal);
      return true;
    },
  });
}

/** Why and how peers differ from varve, where several differ in the same way. */

export const NO_VERSIONS = "keeps one value under a name: there are no versions";
export const NO_TAGS = "has no tags, nor an index of its own over anything but names";
export const ONLY_COPY = "its B-tree is the only copy: there is nothing to rebuild it from";
export const GIVES_KEYS = "gives keys; varve gives each artifact with its digest, size, time, tags and so on";
export const WRITES_AGAIN = "has no deduplication: the value is written again";

/** Of what has no versions. */
export const withoutVersions = { versions: NO_VERSIONS, "load-version": NO_VERSIONS };

/** Of what one process has alone. */
const ALONE = "one process at a time has it open";
export const withoutProcesses = {
  "readers-2": ALONE,
  "readers-4": ALONE,
  "readers-beside-writer": ALONE,
  "writer-beside-readers": ALONE,
  "writers-2": ALONE,
};

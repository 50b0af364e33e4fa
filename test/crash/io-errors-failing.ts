import type { CallKind } from "./simulated-calls.ts";

/** A name is looked for, given or taken away. */
const WITH_NAMES: readonly CallKind[] = [
  "open",
  "create",
  "size",
  "list",
  "makeFolder",
  "publish",
  "link",
  "replace",
  "remove",
  "syncFolder",
];

/** What can fail how. A disk that gives `EIO` may do so anywhere; a full one only where something is added. */
export const FAILING: Record<string, readonly CallKind[]> = {
  EIO: [...WITH_NAMES, "read", "append", "sync", "freeBytes", "type"],
  ENOSPC: ["create", "append", "sync", "makeFolder", "publish", "link", "replace", "syncFolder"],
  EMFILE: ["open", "create", "list", "syncFolder"],
  EACCES: WITH_NAMES,
};

/** After a failed sync nobody knows what is on the disk. */
export const LEAVES_DOUBT: readonly CallKind[] = ["sync", "syncFolder"];

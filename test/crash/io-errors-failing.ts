import type { CallKind } from "./simulated-calls.ts";

/** What can fail how. A disk that gives `EIO` may do so anywhere; a full one only where something is added. */
export const FAILING: Record<string, readonly CallKind[]> = {
  EIO: [
    "open",
    "create",
    "read",
    "append",
    "size",
    "sync",
    "list",
    "makeFolder",
    "publish",
    "link",
    "replace",
    "remove",
    "syncFolder",
    "freeBytes",
    "type",
  ],
  ENOSPC: ["create", "append", "sync", "makeFolder", "publish", "link", "replace", "syncFolder"],
  EMFILE: ["open", "create", "list", "syncFolder"],
  EACCES: [
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
  ],
};

/** After a failed sync nobody knows what is on the disk. */
export const LEAVES_DOUBT: readonly CallKind[] = ["sync", "syncFolder"];

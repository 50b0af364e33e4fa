import type { CallKind, Fault } from "./simulated-calls.ts";

/** How a disk fails, or a system that has no more of something. */
export const FAULTS: { kind: CallKind; fault: Fault }[] = [
  { kind: "sync", fault: { code: "EIO" } },
  { kind: "append", fault: { code: "ENOSPC", half: true } },
  { kind: "append", fault: { code: "EIO", half: true } },
  { kind: "syncFolder", fault: { code: "EIO" } },
  { kind: "publish", fault: { code: "EIO" } },
  { kind: "publish", fault: { code: "EIO", half: true } },
  { kind: "create", fault: { code: "ENOSPC" } },
  { kind: "size", fault: { code: "EIO" } },
  { kind: "open", fault: { code: "EMFILE" } },
];

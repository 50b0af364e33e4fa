import type { Random } from "../helpers/random.ts";
import type { CallKind, Fault, SeamCall } from "./simulated-calls.ts";

/** How a disk fails, or a system that has no more of something. */
const FAULTS: { kind: CallKind; fault: Fault }[] = [
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

/** One call fails: mostly the first that can so, else one that comes when more has been done. */
export function oneFault(
  random: Random,
  met: (kind: CallKind) => void,
): (call: SeamCall) => Fault | undefined {
  const { kind, fault } = FAULTS[random.below(FAULTS.length)]!;
  let ahead = Math.max(1, random.below(5) - 1);
  return (call) => {
    if (call.kind !== kind || --ahead !== 0) return undefined;
    met(kind);
    return fault;
  };
}

import { rowChecksum } from "../log/checksum.ts";
import { readUint53, writeUint53 } from "../log/format.ts";
import type { LogIdentity, LogPosition } from "../log/segment.ts";
import { readPosition, writePosition } from "./rows.ts";

/** What the processes that use a store tell each other. */
export interface SharedState {
  identity: LogIdentity;
  /** The end of the log. */
  tail: LogPosition;
  /** Every batch up to this one is on the disk. */
  durableSequence: number;
  /** Which index is the current one. */
  generation: number;
  /** The mark that calls the index clean has been taken away, so the index may be written. */
  indexUnclean: boolean;
  /** Bytes behind the tail were not acknowledged and must not be adopted. */
  cutAtTail: boolean;
  /** A sync failed: what came after `durableSequence` is in doubt, and nothing may be written on it. */
  syncFailed: boolean;
  /** Somebody met damage in the index: whoever has the lock next makes it anew. */
  indexSuspect: boolean;
  /** The newest operation in the newest checkpoint of the index, or in one that is being taken; 0 for none. */
  checkpointSequence: number;
  /** Raised when records were moved or files of the log replaced: what was remembered of places and files is void. */
  logEpoch: number;
  /** How often batches were lost after a failed sync: their sequence numbers are given again, so a number proves nothing. */
  losses: number;
}

/** What is noted beside the end of the log, of a store in which nothing has happened. */
export const NOTHING_NOTED = {
  cutAtTail: false,
  syncFailed: false,
  indexSuspect: false,
  checkpointSequence: 0,
  logEpoch: 0,
  losses: 0,
};

const STATE_BYTES = 116;
const SEAL_AT = 112;

export function encodeState(state: SharedState): Buffer {
  const bytes = Buffer.alloc(STATE_BYTES);
  writePosition(bytes, 0, state.tail);
  writeUint53(bytes, state.durableSequence, 40);
  writeUint53(bytes, state.generation, 48);
  const flags = [state.indexUnclean, state.cutAtTail, state.syncFailed, state.indexSuspect];
  bytes[56] = flags.reduce((all, flag, bit) => all | (Number(flag) << bit), 0);
  bytes.write(state.identity.application, 64, 8, "latin1");
  bytes.write(state.identity.storeId, 72, 16, "hex");
  writeUint53(bytes, state.checkpointSequence, 88);
  writeUint53(bytes, state.logEpoch, 96);
  writeUint53(bytes, state.losses, 104);
  bytes.writeUInt32LE(rowChecksum(bytes.subarray(0, SEAL_AT)), SEAL_AT);
  return bytes;
}

/** Undefined for bytes that are not what was written: all of it can be had from the log. */
export function decodeState(bytes: Buffer): SharedState | undefined {
  const sealed =
    bytes.length === STATE_BYTES && rowChecksum(bytes.subarray(0, SEAL_AT)) === bytes.readUInt32LE(SEAL_AT);
  if (!sealed) return undefined;
  const flags = bytes[56]!;
  return {
    tail: readPosition(bytes, 0),
    durableSequence: readUint53(bytes, 40),
    generation: readUint53(bytes, 48),
    indexUnclean: (flags & 1) !== 0,
    cutAtTail: (flags & 2) !== 0,
    syncFailed: (flags & 4) !== 0,
    indexSuspect: (flags & 8) !== 0,
    checkpointSequence: readUint53(bytes, 88),
    logEpoch: readUint53(bytes, 96),
    losses: readUint53(bytes, 104),
    identity: { application: bytes.toString("latin1", 64, 72), storeId: bytes.toString("hex", 72, 88) },
  };
}

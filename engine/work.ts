import type { Transaction } from "./transaction.ts";

/** What is committed as one batch. */
export interface Work<T, R = T> {
  /** Runs under the lock and at once: reads, decides, writes. A throw leaves nothing of it behind. */
  run(transaction: Transaction): T;
  /** What the caller gets, made of the result when that is as durable as asked; absent for the result itself. */
  told?: ((result: T) => R | Promise<R>) | undefined;
  /** About how much it writes, into the log and the index. */
  bytes: number;
  durable: boolean;
  /** Whether what comes behind it is written while this is put on the disk, rather than gathered: for who writes much. */
  overlaps?: boolean;
  /** Called when it is in the log, on the disk or not yet: the bytes in memory are not needed any more. */
  written?(): void;
  /** Whether `run` may throw after it has written something. */
  undoable?: boolean;
  /** Milliseconds since 1970, in the place of now. */
  time?: number;
  /** Whether it may use the space below `minFreeSpace`: it helps to make room. */
  reserve?: boolean;
}

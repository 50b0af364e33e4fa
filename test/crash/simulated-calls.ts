export type CallKind =
  | "open"
  | "create"
  | "read"
  | "append"
  | "size"
  | "sync"
  | "close"
  | "list"
  | "makeFolder"
  | "publish"
  | "link"
  | "replace"
  | "remove"
  | "syncFolder"
  | "freeBytes"
  | "type";

export interface SeamCall {
  kind: CallKind;
  path: string;
}

/** How a call fails: with the error of the system; an append or publish with nothing done, or half of it. */
export interface Fault {
  code: string;
  half?: boolean;
}

export interface DiskHooks {
  /** Around each call that changes what is on the disk; "middle" while it is under way. */
  moment?(call: SeamCall, phase: "before" | "middle" | "after"): void;
  /** Asked before each call. */
  fault?: ((call: SeamCall) => Fault | undefined) | undefined;
  /**
   * A sync has proved nothing: another one of what it covers failed before this opener had the file, who is not told. The log's
   * format says that this stays possible, until the process whose sync failed has told the others.
   */
  deceived?(): void;
  /** How long a sync of the thread pool takes. */
  delay?(): Promise<void>;
}

/** What a disk shares with the files that are open on it. */
export interface WatchedDisk {
  readonly hooks: DiskHooks;
  openFiles: number;
  /** What no program may do with its files. */
  readonly misuse: string[];
  /** @throws the error that the call is to fail with */
  check(call: SeamCall): void;
}

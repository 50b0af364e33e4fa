import type { ValueKey } from "./values.ts";

/** What the processes of `space` note of their calls, and what is made of it. Times are microseconds of the machine's monotonic clock. */

export interface SavedCall {
  call: "save";
  name: string;
  value: ValueKey;
  /** A second blob that the version needs. */
  code?: ValueKey;
  /** In the tags; no other save has it. */
  id: string;
  /** Has the tag that prunes are told to keep. */
  keep?: true;
}

export interface AliasCall {
  call: "setAlias";
  name: string;
  alias: string;
  version: number;
}

/** One call, as its caller makes it. */
export type Call =
  | SavedCall
  | AliasCall
  | { call: "deleteAlias"; name: string; alias: string }
  /** Two saves and an alias of the second one, together or not at all. */
  | { call: "batch"; saves: [SavedCall, SavedCall]; alias: string }
  | { call: "delete"; name: string; version: number | "all"; aliases: boolean }
  | { call: "undelete"; name: string; version: number }
  | { call: "annotate"; name: string; version: number; note: string }
  | { call: "prune"; policy: Policy; dryRun: boolean; compact: boolean }
  | { call: "compact"; historyBefore?: number; deadShare?: number; dryRun?: true }
  | { call: "backup"; folder: string }
  | { call: "load"; name: string; version: number }
  | { call: "loadAlias"; name: string; alias: string }
  /** Of an artifact that was read earlier. */
  | { call: "held"; name: string; version: number; since: number }
  | { call: "list" }
  /** No call: the store has logged something. */
  | { call: "warned"; message: string }
  | { call: "rebuild" | "verify" | "open" | "close" | "stats" };

export interface Policy {
  name?: string;
  keepLast?: number;
  olderThan?: number;
  maxSize?: number;
  keepTags?: Record<string, string>;
}

/** What a reader was given of a version. */
export interface Given {
  name: string;
  version: number;
  /** Absent where the value alone was asked for. */
  id?: string;
  /** Its value, where that is whole; an error or what is wrong with it else. */
  value: ValueKey | { wrong: string };
  code?: ValueKey;
  aliases?: string[];
  note?: string;
}

/** What came of a call: what it gave, or its error. */
export interface Result {
  /** Of saves, in their order. */
  saved?: { version: number; sequence: number }[];
  /** Of a delete or a prune: the refs. */
  deleted?: string[];
  given?: Given[];
  /** Of a list: when its first one was there. */
  began?: number;
  error?: { code: string; message: string };
}

/** The two lines of a call; the second one is missing where the process was killed. */
export type Line = { n: number; at: number; call: Call } | { n: number; at: number; result: Result };

/** A call with both its times. */
export interface Operation {
  who: string;
  call: Call;
  from: number;
  /** Infinite where nobody knows what came of it. */
  to: number;
  result: Result | undefined;
}

export function operationsOf(who: string, text: string): Operation[] {
  const operations = new Map<number, Operation>();
  for (const line of text.split("\n")) {
    // The last one may have been cut.
    if (!line.endsWith("}")) continue;
    const parsed = JSON.parse(line) as Line;
    if ("call" in parsed) {
      const { n, call, at } = parsed;
      operations.set(n, { who, call, from: at, to: Number.POSITIVE_INFINITY, result: undefined });
    } else {
      const operation = operations.get(parsed.n)!;
      operation.to = parsed.at;
      operation.result = parsed.result;
    }
  }
  return [...operations.values()];
}

/** A home when all is over, read by one process alone. */
export interface Contents {
  live: Given[];
  /** Refs. */
  deleted: string[];
}

/** What was found in the end. */
export interface Findings {
  from: number;
  contents: Contents;
  /** Of undeleting what was found deleted, when nobody compacted meanwhile: what it gave. */
  undeletes: Operation[];
  backups: { folder: string; contents?: Contents; failed?: string }[];
  violations: string[];
}

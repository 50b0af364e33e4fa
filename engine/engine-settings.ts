import type { FamilyOf } from "./families.ts";
import type { FileSystem } from "./log/file.ts";
import type { LogProblem } from "./log/scan.ts";
import type { IdlePackingSettings } from "./maintenance/pack.ts";
import type { ReadCache } from "./read-cache.ts";

/** What an open engine is given. The first two may change: they are looked at when they are needed. */
export interface EngineSettings {
  segmentBytesMax: number;
  minFreeSpace: number;
  files: FileSystem;
  lockWaitMax: number;
  packing: IdlePackingSettings;
  /** For blobs that were read lately. */
  cache: ReadCache;
  familyOf: FamilyOf | undefined;
  now(): number;
  onProblem(problem: LogProblem): void;
  /** Something that is no failure of a call went wrong. */
  onTrouble(message: string, error?: unknown): void;
}

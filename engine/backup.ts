import { resolve } from "node:path";
import type { BackupOptions, BackupReport } from "./api.ts";
import { backupCore } from "./backup-core.ts";
import type { EngineCore } from "./engine.ts";
import { VarveError } from "./errors.ts";
import { logFolder } from "./maintenance/home.ts";
import { mergePlaces } from "./verify.ts";

/** Brings the backup in `folder` up to what the store is now, while others go on to save, delete and compact. */
export async function backupStore(
  core: EngineCore,
  folder: string,
  options: BackupOptions,
  readOnly: boolean,
): Promise<BackupReport> {
  const to = takeFolder(folder);
  const { copy = false, verify = false, dryRun = false, signal, onProgress } = options;
  // What a failed sync has left in doubt is dealt with first, as before any commit.
  if (core.sharedState().syncFailed && !readOnly)
    await core.commit({ run: () => undefined, bytes: 0, durable: true, reserve: true });
  const { folder: home, identity, settings } = core;
  const parts = {
    ...{ files: settings.files, home, folder: logFolder(home), identity },
    state: () => core.sharedState(),
    settle: async ({ sequence, segment, offset }: { sequence: number; segment: number; offset: number }) =>
      core.settle({ sequence, place: { segment, offset, payloadLength: 0 } }),
    holdEpoch: () => core.holdEpoch(),
  };
  const { problems, ...done } = await backupCore(parts, to, { copy, verify, dryRun, signal, onProgress });
  return { folder: to, dryRun, ...done, problems: mergePlaces(problems) };
}

function takeFolder(folder: unknown): string {
  if (typeof folder === "string" && folder !== "") return resolve(folder);
  throw new VarveError("INVALID_ARGUMENT", "no folder was given for the backup", {
    hint: "give the path of one that is empty or not there yet, or that of an earlier backup",
  });
}

import { resolve } from "node:path";
import type { ArtifactStore, DamageProblem, RepairOptions, RepairReport } from "./api.ts";
import type { EngineCore } from "./engine.ts";
import { VarveError } from "./errors.ts";
import type { CoreProblem } from "./maintenance/verify/report.ts";
import { toldOfVersions } from "./needed-by.ts";
import type { CoreRepair } from "./repair-core.ts";
import { mergePlaces, placeOf } from "./verify.ts";

/** Restores what other copies have, and says exactly what was restored and what was not. */
export function repairStore(core: EngineCore, options: RepairOptions): Promise<RepairReport> {
  const told = async (problems: CoreProblem[]) =>
    mergePlaces(await toldOfVersions(core, problems, options.signal));
  return repairWith(core, options, told);
}

/** @param told problems as users are told of them */
export async function repairWith<T extends DamageProblem>(
  core: EngineCore,
  options: Pick<RepairOptions, "dryRun" | "signal" | "onProgress"> & { from?: unknown },
  told: (problems: CoreProblem[]) => T[] | Promise<T[]>,
) {
  const { dryRun = false, signal, onProgress } = options;
  const repair = await core.repair({ from: foldersOf(options.from), dryRun, signal, onProgress });
  const left = await told(repair.after);
  const places = new Set(left.map(placeOf));
  const repaired = (await told(repair.before)).filter((problem) => !places.has(placeOf(problem)));
  const { regained, quarantined, indexRebuilt } = repair;
  return {
    ok: left.length === 0,
    dryRun,
    repaired: regained ? [...repaired, regainedProblem(regained)] : repaired,
    notRepaired: left.map((problem) => ({ ...problem, reason: reasonFor(repair) })),
    quarantined,
    indexRebuilt,
  };
}

function foldersOf(from: unknown): string[] {
  const given = Array.isArray(from) ? from : from === undefined ? [] : [from];
  return given.map((each: unknown) => {
    const folder = typeof each === "string" ? each : (each as ArtifactStore | undefined)?.home;
    if (typeof folder === "string" && folder !== "") return resolve(folder);
    throw new VarveError("INVALID_ARGUMENT", "`from` is neither a folder nor a store", {
      hint: "give the folder of a backup or of another store, an open store, or several of them",
    });
  });
}

function regainedProblem({ after, to }: { after: number; to: number }): DamageProblem {
  return {
    kind: "missing",
    message: `the log ended at operation ${after}; a copy of it goes on to ${to}`,
  };
}

function reasonFor({ hadBackup }: CoreRepair): string {
  return hadBackup
    ? "no copy that was given has it sound"
    : "its only sound copy would be in a backup of this store, and none was given";
}

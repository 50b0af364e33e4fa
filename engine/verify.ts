import type { DamageProblem, VerifyOptions, VerifyReport } from "./api.ts";
import { parseVersionKey, versionKey } from "./artifact-key.ts";
import type { EngineCore } from "./engine.ts";
import { VarveError } from "./errors.ts";
import { segmentNumber } from "./log/segment.ts";
import type { CoreProblem } from "./maintenance/verify/report.ts";
import type { VerifyCoreOptions } from "./maintenance/verify/verify-log.ts";
import { toldOfVersions } from "./needed-by.ts";

const VERSION_SPACE = versionKey("x", 0)[0];

/** Tries every checksum of the log and every row of the index, and says which artifacts damage touches. */
export async function verifyStore(core: EngineCore, options: VerifyOptions): Promise<VerifyReport> {
  const { problems, ...report } = await core.verify(takeVerifyOptions(options));
  const told = await toldOfVersions(core, problems, options.signal);
  return { ok: problems.length === 0, ...report, problems: mergePlaces(told) };
}

/** @throws INVALID_ARGUMENT for a wrong `timeBudget` or `after` */
export function takeVerifyOptions(options: VerifyOptions): VerifyCoreOptions {
  const { full, timeBudget, after, signal, onProgress } = options;
  const wrong = (what: string, hint: string) => new VarveError("INVALID_ARGUMENT", what, { hint });
  if (timeBudget !== undefined && !(typeof timeBudget === "number" && timeBudget >= 0))
    throw wrong(`not a time budget: ${String(timeBudget)}`, "give `timeBudget` in milliseconds");
  if (after !== undefined && typeof after !== "string")
    throw wrong("`after` is not a string", "give the `next` of the report before");
  return { full, timeBudget, after, signal, onProgress };
}

/** One problem for each damaged place: the log tells of it once, and the index once for each row that needs it. */
export function mergePlaces(problems: CoreProblem[]): DamageProblem[] {
  const byPlace = new Map<string, DamageProblem>();
  for (const { key, digest: _, ...told } of problems) {
    const facts = told.segment === undefined ? told : { ...told, segment: segmentNumber(told.segment) };
    const place = placeOf(facts);
    const problem = byPlace.get(place) ?? { ...facts };
    byPlace.set(place, problem);
    if (key && key[0] === VERSION_SPACE) problem.refs = [...new Set([...(problem.refs ?? []), refOf(key)])];
  }
  return [...byPlace.values()];
}

/** What is the same for all problems that tell of one place. */
export function placeOf({ segment, offset, message }: DamageProblem): string {
  return segment === undefined ? message : `${segment}/${offset}`;
}

function refOf(key: Buffer): string {
  const { name, version } = parseVersionKey(key);
  return `${name}:${version}`;
}

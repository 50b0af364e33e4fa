import type { VerifyOptions, VerifyProblem, VerifyReport } from "./api.ts";
import { parseVersionKey, versionKey } from "./artifact-record.ts";
import type { EngineCore } from "./engine.ts";
import type { CoreProblem } from "./maintenance/verify.ts";

const VERSION_SPACE = versionKey("x", 0)[0];

/** Tries every checksum of the log and every row of the index, and says which artifacts damage touches. */
export async function verifyStore(core: EngineCore, options: VerifyOptions): Promise<VerifyReport> {
  const { onProgress, signal, full } = options;
  const { problems, ...counts } = await core.verify({
    full: full ?? false,
    signal,
    ...(onProgress && { onProgress: (done) => onProgress({ phase: "verify", done, unit: "bytes" }) }),
  });
  return { ok: problems.length === 0, ...counts, problems: mergePlaces(problems) };
}

/** One problem for each damaged place: the log tells of it once, and the index once for each row that needs it. */
function mergePlaces(problems: CoreProblem[]): VerifyProblem[] {
  const byPlace = new Map<string, VerifyProblem>();
  for (const { key, ...facts } of problems) {
    const place = facts.segment === undefined ? facts.message : `${facts.segment}/${facts.offset}`;
    const problem = byPlace.get(place) ?? { ...facts };
    byPlace.set(place, problem);
    if (key && key[0] === VERSION_SPACE) problem.refs = [...new Set([...(problem.refs ?? []), refOf(key)])];
  }
  return [...byPlace.values()];
}

function refOf(key: Buffer): string {
  const { name, version } = parseVersionKey(key);
  return `${name}:${version}`;
}

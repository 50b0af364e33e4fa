import type { CallOptions, PrunedVersion } from "../api.ts";
import { VarveError } from "../errors.ts";
import type { BlobStore } from "../ports/blob-store.ts";
import type { MetadataStore, VersionRecord } from "../ports/metadata-store.ts";
import type { TakenPolicy } from "../prune-policy.ts";
import { judgeTags } from "../prune-policy.ts";
import { checkClock, nothingLeft, unreachable } from "../prune-refusals.ts";
import { refOf } from "../ref.ts";
import type { Needs } from "./blob-graph.ts";
import { BlobGraph } from "./blob-graph.ts";
import { everyVersion } from "./every-version.ts";

/** A version that the cheap conditions let go. */
export interface Candidate
  extends Pick<VersionRecord, "name" | "version" | "sequence" | "createdAt" | "size"> {
  needs: Needs;
  fate: "goes" | "protected" | "stays";
}

export interface BlobPrunePlan {
  /** The oldest first. */
  victims: readonly Candidate[];
  protected: string[];
  plannedBytes: number;
  deadBytes: number;
  /** What blobs take once the victims, and what is dead already, are gone. */
  bytesLeft: number;
  /** The newest operation before versions were looked at. */
  sequence: number;
  graph: BlobGraph;
}

export interface PlanParts {
  metadata: MetadataStore;
  blobs: BlobStore;
  policy: TakenPolicy;
  now(): number;
}

/** @throws INVALID_ARGUMENT for a clock that can't be right, a plan that leaves nothing, a size that can't be reached */
export async function planBlobPrune(
  parts: PlanParts,
  { signal, onProgress, force }: CallOptions & { force?: boolean },
): Promise<BlobPrunePlan> {
  const call = { ...(signal && { signal }) };
  const { metadata, blobs, policy } = parts;
  const { sequence } = await metadata.counts(call);
  const scan = new Scan(blobs, policy);
  let done = 0;
  for await (const record of everyVersion(metadata, "live", signal)) {
    await scan.add(record);
    onProgress?.({ phase: "looking at versions", done: ++done, unit: "artifacts" });
  }
  if (policy.byClock && !force) {
    for await (const { createdAt } of everyVersion(metadata, "deleted", signal)) scan.sawTime(createdAt);
    const newest = (await timeOf(metadata, sequence, call)) ?? scan.newest;
    checkClock(parts.now(), scan.oldest, newest);
  }
  for await (const blob of blobs.list(call)) {
    if (scan.graph.listed(blob)) scan.liveBytes += blob.ownBytes;
    else scan.deadBytes += blob.ownBytes;
  }
  const plan = new Choice(scan, policy).plan();
  if (scan.liveVersions > 0 && plan.victims.length === scan.liveVersions && !force)
    throw nothingLeft(scan.liveVersions);
  return { ...plan, deadBytes: scan.deadBytes, sequence, graph: scan.graph };
}

/** When an operation was; undefined where there is none, or it is forgotten. */
async function timeOf(
  metadata: MetadataStore,
  sequence: number,
  call: CallOptions,
): Promise<number | undefined> {
  try {
    for await (const { time } of metadata.operations(sequence - 1, call)) return time;
  } catch (error) {
    if (!(error instanceof VarveError && error.code === "NOT_FOUND")) throw error;
  }
  return undefined;
}

/** One pass over all live versions, in the order of names, the newest of each first. */
class Scan {
  readonly graph: BlobGraph;
  readonly candidates: Candidate[] = [];
  liveVersions = 0;
  /** When the first and the last of all versions were saved. */
  oldest = Number.POSITIVE_INFINITY;
  newest = 0;
  liveBytes = 0;
  deadBytes = 0;
  readonly #policy: TakenPolicy;
  #name: string | undefined;
  #newer = 0;

  constructor(blobs: BlobStore, policy: TakenPolicy) {
    this.graph = new BlobGraph(blobs);
    this.#policy = policy;
  }

  async add(record: VersionRecord): Promise<void> {
    const { name, version, sequence, createdAt, size } = record;
    if (name !== this.#name) this.#newer = 0;
    this.#name = name;
    this.liveVersions++;
    this.sawTime(createdAt);
    const { needs, problem } = await this.graph.add(record);
    const isAmongNewest = this.#newer++ < this.#policy.keepLast;
    if (isAmongNewest || !this.#goesByName(name)) return;
    const fate = fateOf(this.#policy, record);
    const judged = fate === "goes" && problem ? "protected" : fate;
    this.candidates.push({ name, version, sequence, createdAt, size, needs, fate: judged });
  }

  sawTime(createdAt: number): void {
    this.oldest = Math.min(this.oldest, createdAt);
    this.newest = Math.max(this.newest, createdAt);
  }

  #goesByName(name: string): boolean {
    const { name: wanted, keepName } = this.#policy;
    return (wanted?.matches(name) ?? true) && !(keepName?.matches(name) ?? false);
  }
}

/** What becomes of a version that is not among those which stay for their number. */
function fateOf(
  policy: TakenPolicy,
  { createdAt, tags, aliases, kept }: Pick<VersionRecord, "createdAt" | "tags" | "aliases" | "kept">,
): Candidate["fate"] {
  const { goes, protects } = judgeTags(policy, tags);
  // What a backend keeps takes nothing of a size that is asked for.
  if (createdAt >= policy.before || !goes || (kept && policy.maxSize !== undefined)) return "stays";
  return protects || aliases.length > 0 ? "protected" : "goes";
}

class Choice {
  readonly #scan: Scan;
  readonly #policy: TakenPolicy;

  constructor(scan: Scan, policy: TakenPolicy) {
    this.#scan = scan;
    this.#policy = policy;
  }

  plan(): Pick<BlobPrunePlan, "victims" | "protected" | "plannedBytes" | "bytesLeft"> {
    const { candidates, graph, liveBytes } = this.#scan;
    const { maxSize, onlyMaxSize } = this.#policy;
    if (onlyMaxSize) this.#keepNewest();
    const all = candidates.filter(({ fate }) => fate === "goes");
    // Of one operation in the order of names, which they are in.
    all.sort((a, b) => a.sequence - b.sequence);
    let plannedBytes = 0;
    let count = 0;
    const isEnough = () => maxSize !== undefined && liveBytes - plannedBytes <= maxSize;
    for (; count < all.length && !isEnough(); count++) plannedBytes += graph.letGo(all[count]!.needs);
    const bytesLeft = liveBytes - plannedBytes;
    if (maxSize !== undefined && bytesLeft > maxSize) throw unreachable(maxSize, bytesLeft, count);
    const victims = all.slice(0, count);
    return { victims, protected: this.#protected(victims), plannedBytes, bytesLeft };
  }

  /** Of a policy that asks for nothing but a size, the newest version of all stays. */
  #keepNewest(): void {
    const { candidates } = this.#scan;
    if (candidates.length === 0) return;
    const newest = candidates.reduce((a, b) => (b.sequence > a.sequence ? b : a));
    if (newest.fate === "goes") newest.fate = "stays";
  }

  /** With a size: those that would have been among the oldest that go. */
  #protected(victims: readonly Candidate[]): string[] {
    const { maxSize } = this.#policy;
    const last = victims.at(-1)?.sequence ?? Number.NEGATIVE_INFINITY;
    const until = maxSize === undefined ? Number.POSITIVE_INFINITY : last;
    return this.#scan.candidates
      .filter(({ fate, sequence }) => fate === "protected" && sequence <= until)
      .map(refOf);
  }
}

export function prunedVersions(victims: readonly Candidate[]): PrunedVersion[] {
  return victims.map((victim) => ({
    ref: refOf(victim),
    size: victim.size,
    createdAt: new Date(victim.createdAt),
  }));
}

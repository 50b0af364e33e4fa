import type { CallOptions, CompactReport, PruneOptions, PrunePolicy, PruneReport } from "../api.ts";
import { throwIfAborted } from "../errors.ts";
import type { MetadataOperation } from "../ports/metadata-store.ts";
import { checkPruneOptions, compactAfter } from "../prune.ts";
import { takePolicy } from "../prune-policy.ts";
import { refOf } from "../ref.ts";
import type { Commits } from "./commits.ts";
import type { BlobPrunePlan, Candidate, PlanParts } from "./prune-plan.ts";
import { planBlobPrune, prunedVersions } from "./prune-plan.ts";

/** One transaction of the database deletes so many. */
const DELETES_PER_UNIT = 100;

export interface PruneParts extends Omit<PlanParts, "policy"> {
  commits: Commits;
  compact(call: CallOptions): Promise<CompactReport>;
}

/** Plans what a policy lets go and, unless only that is asked for, deletes it and frees its bytes. */
export async function pruneBlobs(
  parts: PruneParts,
  policy: PrunePolicy,
  options: PruneOptions,
): Promise<PruneReport> {
  checkPruneOptions(options);
  const taken = takePolicy(policy, parts.now());
  const planning: PlanParts = { ...parts, policy: taken };
  const plan = await planBlobPrune(planning, options);
  const planned: PruneReport = {
    dryRun: options.dryRun === true,
    versions: prunedVersions(plan.victims),
    protected: plan.protected,
    plannedBytes: plan.plannedBytes,
    deadBytes: plan.deadBytes,
    freedBytes: 0,
    logBytes: plan.bytesLeft,
  };
  if (options.dryRun) return planned;
  if (options.confirm && !(await options.confirm(planned))) return { ...planned, dryRun: true };
  const left = await new Deletion(parts, planning, plan).run(options);
  const report = { ...planned, ...withoutLeft(plan, planned, left) };
  if (options.compact === false)
    return { ...report, logBytes: plan.bytesLeft + report.plannedBytes + plan.deadBytes };
  const { freedBytes, logBytesAfter } = await compactAfter(options, parts.compact);
  return { ...report, freedBytes, logBytes: logBytesAfter };
}

/** What of the plan was done, where others changed something in between. */
function withoutLeft(
  { victims, graph }: BlobPrunePlan,
  planned: PruneReport,
  left: ReadonlySet<Candidate>,
): Pick<PruneReport, "versions" | "protected" | "plannedBytes"> {
  if (left.size === 0) return planned;
  const going = victims.filter((victim) => !left.has(victim));
  for (const { needs } of victims) graph.takeBack(needs);
  return {
    versions: prunedVersions(going),
    protected: [...planned.protected, ...[...left].map(refOf)],
    plannedBytes: going.reduce((bytes, { needs }) => bytes + graph.letGo(needs), 0),
  };
}

/** Deletes what a plan lets go, name by name, the oldest of each first. A kill leaves a part deleted, which may as well have been all. */
class Deletion {
  readonly #parts: PruneParts;
  readonly #planning: PlanParts;
  readonly #plan: BlobPrunePlan;

  constructor(parts: PruneParts, planning: PlanParts, plan: BlobPrunePlan) {
    this.#parts = parts;
    this.#planning = planning;
    this.#plan = plan;
  }

  /** Gives those that stay, since something about them was changed since the plan. */
  async run({ signal, onProgress }: CallOptions): Promise<Set<Candidate>> {
    const left = new Set<Candidate>();
    const total = this.#plan.victims.length;
    let done = 0;
    for (const victims of this.#byName()) {
      const going = await this.#stillGoing(victims);
      for (let from = 0; from < going.length; from += DELETES_PER_UNIT) {
        throwIfAborted(signal);
        const some = going.slice(from, from + DELETES_PER_UNIT);
        const deleted = await this.#delete(some);
        for (const victim of some) if (!deleted.has(refOf(victim))) left.add(victim);
      }
      for (const victim of victims) if (!going.includes(victim)) left.add(victim);
      done += victims.length;
      onProgress?.({ phase: "deleting", done, total, unit: "artifacts" });
    }
    return left;
  }

  #byName(): Iterable<Candidate[]> {
    const names = new Map<string, Candidate[]>();
    for (const victim of this.#plan.victims) {
      const known = names.get(victim.name);
      if (known) known.push(victim);
      else names.set(victim.name, [victim]);
    }
    return names.values();
  }

  async #delete(victims: readonly Candidate[]): Promise<Set<string>> {
    const operations = victims.map(
      ({ name, version }): MetadataOperation => ({
        kind: "delete",
        target: { kind: "version", name, version },
        aliases: false,
        unless: { changedAfter: this.#plan.sequence },
      }),
    );
    const { deleted } = await this.#parts.commits.submit({ operations, kept: [] });
    return new Set(deleted);
  }

  /** Of the newest live versions that stay others may have deleted some: then older ones stay in their place. */
  async #stillGoing(victims: Candidate[]): Promise<Candidate[]> {
    const { policy, metadata } = this.#planning;
    const { keepLast } = policy;
    if (keepLast === 0) return victims;
    let oldest = Number.POSITIVE_INFINITY;
    let live = 0;
    const newest = metadata.list({
      ...{ mode: "live", sort: "name", reverse: false, limit: keepLast },
      ...{ prefix: victims[0]!.name, isExact: true, hints: {} },
      matches: () => true,
    });
    for await (const { version } of newest) {
      oldest = version;
      live++;
    }
    return live < keepLast ? [] : victims.filter(({ version }) => version < oldest);
  }
}

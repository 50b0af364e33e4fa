import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Artifact, CallOptions, DamageProblem, RepairOptions, UnrepairedProblem } from "../api.ts";
import type { OpenFolder } from "../composed/repair-sources.ts";
import { RepairSources } from "../composed/repair-sources.ts";
import { VarveError } from "../errors.ts";
import type { BackendValue } from "../ports/storage-backend.ts";
import { folderValue } from "./folder.ts";
import { decodeKept, encodeKept } from "./kept.ts";
import { modelValue } from "./model-value.ts";
import type { BackendParts } from "./parts.ts";
import type { KeptRecord } from "./rows.ts";
import { type KeptValues, signalOf } from "./values.ts";
import { type KeptProblem, keptProblems } from "./verify.ts";

export interface KeptRepair {
  repaired: DamageProblem[];
  notRepaired: UnrepairedProblem[];
}

/** Puts what is damaged there again, from stores that have the same value, and removes what interrupted calls have left. */
export async function repairKept(
  parts: BackendParts,
  values: KeptValues,
  openFolder: OpenFolder,
  options: RepairOptions,
): Promise<KeptRepair> {
  const { signal, onProgress } = options;
  const call = { ...(signal && { signal }), ...(onProgress && { onProgress }) };
  const problems = await keptProblems(parts, values, { full: true, ...call });
  const report: KeptRepair = { repaired: [], notRepaired: [] };
  if (problems.length === 0) return report;
  const sources = await RepairSources.open(options.from, openFolder);
  try {
    for (const problem of problems) {
      const reason = await new Mending(parts, sources, options).mend(problem);
      if (reason === undefined) report.repaired.push(told(problem));
      else report.notRepaired.push({ ...told(problem), reason });
    }
  } finally {
    await sources.close();
  }
  return report;
}

export function told({ kind, message, refs, code }: KeptProblem): DamageProblem {
  return { kind, message, ...(refs && { refs }), ...(code !== undefined && { code }) };
}

class Mending {
  readonly #parts: BackendParts;
  readonly #sources: RepairSources;
  readonly #dryRun: boolean;
  readonly #call: CallOptions;

  constructor(parts: BackendParts, sources: RepairSources, options: RepairOptions) {
    this.#parts = parts;
    this.#sources = sources;
    this.#dryRun = options.dryRun === true;
    this.#call = signalOf(options);
  }

  /** Why it stays, if it does. */
  async mend({ version, orphan, refs = [] }: KeptProblem): Promise<string | undefined> {
    if (orphan && !orphan.isRemnant)
      return "it may be of a later state of this store: adopt it with `varve adopt`, or delete it in MLflow";
    if (orphan) {
      if (!this.#dryRun) await (await this.#parts.connection.opened()).remove(orphan.place, this.#call);
      return undefined;
    }
    if (!version) return "MLflow has to answer first";
    if (version.deleted) return "it is deleted: bring it back first, or delete it with `--purge`";
    for await (const artifact of this.#sources.artifacts(version.digest))
      if (await this.#putAgain(version, refs, artifact)) return undefined;
    return this.#sources.isEmpty
      ? "a sound copy would have to come from another store, and none was given"
      : "no copy that was given has it sound";
  }

  /** Whether the copy is sound. Read through first. */
  async #putAgain(version: KeptRecord, refs: readonly string[], copy: Artifact): Promise<boolean> {
    const folder = await mkdtemp(join(tmpdir(), "varve-"));
    try {
      const path = join(folder, "copy");
      await copy.writeTo(path, this.#call);
      const value = await this.#valueAt(path, version);
      if (Buffer.compare(value.digest, version.digest) !== 0) return false;
      if (!this.#dryRun) await this.#keep(version, refs, value);
      return true;
    } catch (error) {
      if (error instanceof VarveError && ["CORRUPTION", "NOT_FOUND"].includes(error.code)) return false;
      throw error;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async #valueAt(path: string, version: KeptRecord): Promise<BackendValue> {
    if (decodeKept(version).folder) return (await folderValue(path, this.#call)).value;
    const { mediaType } = version;
    return (await modelValue({ from: { file: path }, mediaType, isForeign: false }, this.#call)).value;
  }

  /** All versions that were the same one there are so again. */
  async #keep(version: KeptRecord, refs: readonly string[], value: BackendValue): Promise<void> {
    const { name, version: number } = version;
    const { connection, metadata, commit } = this.#parts;
    const backend = await connection.opened();
    const options = backend.takeOptions(name, undefined, value.kind);
    const { storeId } = metadata();
    const save = { storeId, name, version: number, options, isAgain: true };
    const place = await backend.keep(value, save, this.#call);
    const { folder } = decodeKept(version);
    const kept = encodeKept({ place, ...(folder && { folder }) });
    for (const ref of refs) {
      const colon = ref.lastIndexOf(":");
      const moved = { name: ref.slice(0, colon), version: Number(ref.slice(colon + 1)) };
      const { deleted } = (await metadata().at(moved.name, moved.version)) ?? { deleted: true };
      if (!deleted) await commit({ kind: "move", ...moved, kept });
    }
  }
}

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Artifact, CallOptions, DamageProblem, RepairOptions, UnrepairedProblem } from "../api.ts";
import { callOf, signalOf } from "../call-options.ts";
import type { OpenFolder } from "../composed/repair-sources.ts";
import { isNoCopy, RepairSources } from "../composed/repair-sources.ts";
import { VarveError } from "../errors.ts";
import type { BackendPlace, BackendValue } from "../ports/storage-backend.ts";
import { type ParsedRef, parseRef } from "../ref.ts";
import { folderValue } from "./folder.ts";
import { decodeKept, encodeKept, placesOf } from "./kept.ts";
import { modelValue } from "./model-value.ts";
import type { BackendParts } from "./parts.ts";
import { takeBack } from "./purge.ts";
import { isKept, type KeptRecord } from "./rows.ts";
import type { KeptValues } from "./values.ts";
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
  const problems = await keptProblems(parts, values, { full: true, ...callOf(options) });
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
  async mend(problem: KeptProblem): Promise<string | undefined> {
    try {
      return await this.#mend(problem);
    } catch (error) {
      // Somebody else could log it there, and this store can't: others it can.
      if (error instanceof VarveError && error.code === "NOT_SUPPORTED") return error.message;
      throw error;
    }
  }

  async #mend({ version, orphan, refs = [] }: KeptProblem): Promise<string | undefined> {
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
      if (isNoCopy(error)) return false;
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
    const { connection, metadata } = this.#parts;
    const backend = await connection.opened();
    const options = backend.takeOptions(name, undefined, value.kind);
    const { storeId } = metadata();
    const save = { storeId, name, version: number, options, isAgain: true };
    const place = await backend.keep(value, save, this.#call);
    try {
      for (const ref of refs) await this.#move(ref, place);
    } catch (error) {
      await takeBack(this.#parts, place, error);
      throw error;
    }
  }

  /** Its earlier place is nobody's orphan, and goes when the version is purged: what is there now may be somebody's. */
  async #move(ref: string, place: BackendPlace): Promise<void> {
    const { name, version } = parseRef(ref) as ParsedRef & { kind: "version" };
    const record = await this.#parts.metadata().at(name, version);
    if (!record || record.deleted || !isKept(record)) return;
    const { folder } = decodeKept(record);
    const kept = encodeKept({ place, ...(folder && { folder }), earlier: placesOf(record.kept) });
    await this.#parts.commit({ kind: "move", name, version, kept });
  }
}

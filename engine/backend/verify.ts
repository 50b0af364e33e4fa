import type { CallOptions, DamageProblem, VerifyOptions } from "../api.ts";
import { signalOf } from "../call-options.ts";
import { VarveError } from "../errors.ts";
import type { BackendOrphan, BackendPlace, StorageBackend } from "../ports/storage-backend.ts";
import { refOf } from "../ref.ts";
import { decodeKept, type Kept, MODEL_FILE, placeOf, placesOf } from "./kept.ts";
import type { BackendParts } from "./parts.ts";
import { changedThere } from "./refusals.ts";
import { everyKept, type KeptRecord } from "./rows.ts";
import { isNotFound, type KeptValues } from "./values.ts";

/** What an interrupted call has left may belong to one that is still under way, for so long. */
const ORPHAN_MILLISECONDS_MIN = 24 * 3_600_000;
/** What keeps a backend from being asked is told once. */
const OUT_OF_REACH = ["UNAVAILABLE", "UNAUTHORIZED", "CONFIG", "NOT_SUPPORTED", "IO"];

export interface KeptProblem extends DamageProblem {
  /** The version that it was found by. */
  version?: KeptRecord;
  orphan?: BackendOrphan;
}

type CheckOptions = Pick<VerifyOptions, "full" | keyof CallOptions>;

/** Looks at what a backend keeps: whether all files are there with the right number of bytes or, if asked for, the right digests. */
export async function keptProblems(
  parts: BackendParts,
  values: KeptValues,
  options: CheckOptions,
): Promise<KeptProblem[]> {
  const check = new KeptCheck(parts, values, options);
  return check.run();
}

class KeptCheck {
  readonly #parts: BackendParts;
  readonly #values: KeptValues;
  readonly #options: CheckOptions;
  readonly #problems: KeptProblem[] = [];

  constructor(parts: BackendParts, values: KeptValues, options: CheckOptions) {
    this.#parts = parts;
    this.#values = values;
    this.#options = options;
  }

  async run(): Promise<KeptProblem[]> {
    const groups = await this.#groups();
    let done = 0;
    try {
      for (const records of groups) {
        await this.#look(records);
        done++;
        this.#options.onProgress?.({
          phase: "looking at MLflow",
          done,
          total: groups.length,
          unit: "artifacts",
        });
      }
      await this.#lookForOrphans(groups);
    } catch (error) {
      if (!(error instanceof VarveError) || !OUT_OF_REACH.includes(error.code)) throw error;
      // Of a store that has nothing there nothing is wrong.
      const refs = groups.slice(done).flat().map(refOf);
      const message = `what MLflow keeps was not looked at, or not all of it: ${error.message}`;
      if (groups.length > 0) this.#problems.push({ kind: "backend", message, refs, code: error.code });
    }
    return this.#problems;
  }

  /** Versions of which one look tells all. */
  async #groups(): Promise<KeptRecord[][]> {
    const groups = new Map<string, KeptRecord[]>();
    for await (const record of everyKept(this.#parts, this.#options)) {
      const place = placeOf(record.kept);
      const key = JSON.stringify([
        place.trackingUri,
        place.modelUri,
        Buffer.from(record.digest).toString("hex"),
      ]);
      const known = groups.get(key);
      if (known) known.push(record);
      else groups.set(key, [record]);
    }
    return [...groups.values()];
  }

  async #look(records: KeptRecord[]): Promise<void> {
    const version = records[0]!;
    const refs = records.map(refOf);
    const found = await this.#problemOf(version);
    if (found && !(await this.#isGoneSince(version))) this.#problems.push({ ...found, refs, version });
  }

  async #isGoneSince({ name, version }: KeptRecord): Promise<boolean> {
    const now = await this.#parts.metadata().at(name, version);
    return !now || now.isForgotten;
  }

  async #problemOf(version: KeptRecord): Promise<DamageProblem | undefined> {
    try {
      const kept = decodeKept(version);
      const backend = await this.#parts.connection.of(kept.place);
      await checkList(backend, version, kept, signalOf(this.#options));
      if (this.#options.full) await this.#readAll(version, kept);
      return undefined;
    } catch (error) {
      if (!(error instanceof VarveError)) throw error;
      if (isNotFound(error)) return { kind: "missing", message: `${error.message} (${refOf(version)})` };
      if (error.code === "CORRUPTION") return { kind: "blob", message: error.message };
      throw error;
    }
  }

  async #readAll(version: KeptRecord, kept: Kept): Promise<void> {
    for (const file of filesOf(version, kept)) {
      const span = { start: 0, end: file.size };
      const pieces = this.#values.filePieces(version, kept.place, file, span, signalOf(this.#options));
      for await (const _ of pieces);
    }
  }

  async #lookForOrphans(groups: readonly KeptRecord[][]): Promise<void> {
    const { connection, metadata, now } = this.#parts;
    if (!connection.isConfigured) return;
    const backend = await connection.opened();
    const known: BackendPlace[] = groups.flat().flatMap(({ kept }) => placesOf(kept));
    const before = now() - ORPHAN_MILLISECONDS_MIN;
    const own = known.filter((place) => backend.has(place));
    for (const orphan of await backend.orphans(metadata().storeId, own, before, signalOf(this.#options)))
      this.#problems.push({ kind: "backend", message: orphanMessage(orphan), orphan });
  }
}

function orphanMessage({ description, isRemnant }: BackendOrphan): string {
  return isRemnant
    ? `MLflow has the remains of an interrupted save: ${description}`
    : `MLflow has a model that was saved by this store, and that no version of it names: ${description}`;
}

export function filesOf({ digest, size }: KeptRecord, { folder }: Kept) {
  return folder ? folder.files : [{ path: MODEL_FILE, digest, size }];
}

/** @throws NOT_FOUND, CORRUPTION */
async function checkList(
  backend: StorageBackend,
  version: KeptRecord,
  kept: Kept,
  call: CallOptions,
): Promise<void> {
  const listed = new Map((await backend.list(kept.place, call)).map(({ path, size }) => [path, size]));
  for (const { path, size } of filesOf(version, kept)) {
    if (!listed.has(path))
      throw new VarveError("NOT_FOUND", `${path} of ${refOf(version)} was removed in MLflow`);
    if ((listed.get(path) ?? size) !== size) throw changedThere(refOf(version), path);
  }
}

import type {
  AdoptOptions,
  CallOptions,
  DeleteOptions,
  DeleteReport,
  JsonObject,
  RepairOptions,
  RepairReport,
  SaveDirectoryOptions,
  SaveOptions,
  VerifyOptions,
  VerifyReport,
} from "../api.ts";
import { checkPath } from "../argument.ts";
import { isByteSource } from "../chunk/source.ts";
import type { OpenFolder } from "../composed/repair-sources.ts";
import { checkGiven } from "../large/save-directory.ts";
import type { Target, VersionRecord } from "../ports/metadata-store.ts";
import type { ParsedRef } from "../ref.ts";
import { parseRef } from "../ref.ts";
import { noMlflow } from "../refusals.ts";
import { isModel, MEDIA_TYPE_ONNX, takeOptions, takeSource, takeValue } from "../save.ts";
import { adoptedModel } from "./adopt.ts";
import { deleteAliasThere, setAliasThere } from "./aliases.ts";
import { describeThere } from "./describe.ts";
import { isModelFolder } from "./folder.ts";
import type { BackendParts } from "./parts.ts";
import { purgeVersions } from "./purge.ts";
import { noModel, optionsOfVarve } from "./refusals.ts";
import { repairKept, told } from "./repair.ts";
import { BackendSaver, type BackendSaving } from "./save.ts";
import { KeptValues } from "./values.ts";
import { keptProblems } from "./verify.ts";

/** Who keeps a value: Varve; the backend if it is a model; the backend, whatever it is. */
type Choice = "varve" | "models" | "asked";

/** The versions of a store that a storage backend keeps: everything that is done to them otherwise than to others. */
export class BackendVersions {
  readonly values: KeptValues;
  readonly #parts: BackendParts;
  readonly #saver: BackendSaver;

  constructor(parts: BackendParts) {
    this.#parts = parts;
    this.#saver = new BackendSaver(parts);
    this.values = new KeptValues(parts.connection, parts.codecs, parts.calls);
  }

  /** Whether models go there of which nothing is said. */
  get keepsModels(): boolean {
    return this.#parts.connection.keepsModels;
  }

  /** Undefined for what Varve keeps. What is kept is taken at the call. */
  save(name: string, value: unknown, options: SaveOptions): Promise<VersionRecord> | undefined {
    const choice = this.#choice(options);
    if (choice === "varve") return undefined;
    const { codecs } = this.#parts;
    const isSource = isByteSource(value);
    const told = isSource
      ? options.mediaType
      : (options.mediaType ?? codecs.forValue(value, options.codec).mediaType);
    if (!isModel({ mediaType: told })) return refuseOthers(choice, options);
    const saving = savingOf(name, options);
    const taken = isSource ? takeSource(value, options) : takeValue(codecs, value, options);
    return this.#saver.file(saving, taken, options);
  }

  saveFile(name: string, path: string, options: SaveOptions): Promise<VersionRecord> | undefined {
    const choice = this.#choice(options);
    if (choice === "varve") return undefined;
    checkPath(path, "a file", 'for example saveFile("clf", "clf.onnx")');
    if (!path.endsWith(".onnx") && !isModel(options)) return refuseOthers(choice, options);
    const saving = savingOf(name, options);
    const { mediaType = MEDIA_TYPE_ONNX } = options;
    return this.#saver.file(saving, takeSource({ file: path }, { ...options, mediaType }), options);
  }

  saveDirectory(
    name: string,
    path: string,
    options: SaveDirectoryOptions,
  ): Promise<VersionRecord> | undefined {
    const choice = this.#choice(options);
    if (choice === "varve") return undefined;
    checkGiven(path, options.checkContents, options);
    const saving = savingOf(name, options);
    if (!isModelFolder(path)) return refuseOthers(choice, options);
    return this.#saver.folder(saving, path, options);
  }

  async adopt(name: string, uri: string, options: AdoptOptions): Promise<VersionRecord> {
    const { taken } = savingOf(name, options);
    this.#parts.checkWritable();
    const backend = await this.#parts.connection.opened();
    return this.#saver.adopt({ name, taken }, await adoptedModel(backend, uri, options), options);
  }

  describe(ref: ParsedRef, options: CallOptions): Promise<JsonObject> {
    return describeThere(this.#parts, ref, options);
  }

  purge(target: ParsedRef, options: DeleteOptions): Promise<DeleteReport> {
    return purgeVersions(this.#parts, target, options);
  }

  setAlias(name: string, alias: string, version: number, options: CallOptions): Promise<void> {
    return setAliasThere(this.#parts, { name, alias, version }, options);
  }

  deleteAlias(name: string, alias: string, options: CallOptions): Promise<void> {
    return deleteAliasThere(this.#parts, { name, alias }, options);
  }

  /** With what is wrong there, at the end of a verification. */
  async verified(report: VerifyReport, options: VerifyOptions): Promise<VerifyReport> {
    if (!report.complete) return report;
    const found = await keptProblems(this.#parts, this.values, options);
    if (found.length === 0) return report;
    return { ...report, ok: false, problems: [...report.problems, ...found.map(told)] };
  }

  /** With what was put there again. @param openFolder how folders of other stores are opened */
  async repaired(
    report: RepairReport,
    openFolder: OpenFolder,
    options: RepairOptions,
  ): Promise<RepairReport> {
    const { repaired, notRepaired } = await repairKept(this.#parts, this.values, openFolder, options);
    return {
      ...report,
      ok: report.ok && notRepaired.length === 0,
      repaired: [...report.repaired, ...repaired],
      notRepaired: [...report.notRepaired, ...notRepaired],
    };
  }

  close(): Promise<void> {
    return this.#parts.connection.close();
  }

  /** @throws CONFIG for a backend that is not there, INVALID_ARGUMENT for options of one that keeps nothing */
  #choice({ backend, mlflow }: SaveOptions): Choice {
    const isMeant = backend === "mlflow" || (backend === undefined && mlflow !== undefined);
    if (isMeant && !this.#parts.connection.isConfigured) throw noMlflow();
    if (backend === "mlflow") return "asked";
    if (backend === undefined && this.keepsModels) return "models";
    if (mlflow !== undefined) throw optionsOfVarve();
    return "varve";
  }
}

/** What is no model is Varve's, unless something else was said. @throws NOT_SUPPORTED, INVALID_ARGUMENT */
function refuseOthers(choice: Choice, { mlflow }: SaveOptions): undefined {
  if (choice === "asked") throw noModel();
  if (mlflow !== undefined) throw optionsOfVarve();
}

function savingOf(name: string, options: SaveOptions): BackendSaving {
  const { backend: _, mlflow, ...rest } = options;
  const taken = takeOptions<NonNullable<SaveOptions["inputs"]>[number], Target>(name, rest, parseRef);
  return { name, taken, given: copied(mlflow) };
}

/** As it was at the call. What can't be copied is for the backend to refuse. */
function copied(given: unknown): unknown {
  try {
    return structuredClone(given);
  } catch {
    return given;
  }
}

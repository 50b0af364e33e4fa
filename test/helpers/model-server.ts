import type {
  BackendOrphan,
  BackendPlace,
  BackendSave,
  BackendSettings,
  BackendValue,
  CallOptions,
  JsonObject,
  ListedFile,
  Places,
  RemoveOptions,
  StorageBackend,
} from "../../engine/main.ts";
import { VarveError } from "../../engine/main.ts";

/** What a call does next. */
export type Step =
  | "takeOptions"
  | "keep"
  | "kept"
  | "pieces"
  | "list"
  | "remove"
  | "orphans"
  | "resolve"
  | "setAlias"
  | "deleteAlias"
  | "close";

interface Model {
  files: Map<string, Buffer>;
  storeId?: string;
  name?: string;
  digest?: string;
}

interface Version {
  modelId: string;
  storeId?: string;
  madeAt: number;
}

/** A service that keeps models in memory, as the port wants it, and fails when it is told to. */
export class ModelServer {
  readonly uri: string;
  readonly models = new Map<string, Model>();
  /** By name and number, as `clf/3`. */
  readonly versions = new Map<string, Version>();
  readonly aliases = new Map<string, string>();
  /** What was asked of it. */
  readonly calls: string[] = [];
  /** Happens when a value is about to be read. */
  beforeKeep: () => unknown = () => {};
  /** What it was asked to keep, as `name:version`. */
  readonly asked: string[] = [];
  readonly #failing = new Map<Step, unknown>();
  readonly #numbers = new Map<string, number>();
  #logged = 0;

  constructor(uri = "http://127.0.0.1:5000") {
    this.uri = uri;
  }

  /** The next call of this kind fails. */
  fail(step: Step, error: unknown = new VarveError("UNAVAILABLE", "it does not answer")): void {
    this.#failing.set(step, error);
  }

  reach(step: Step): void {
    this.calls.push(step);
    const error = this.#failing.get(step);
    this.#failing.delete(step);
    if (error !== undefined) throw error;
  }

  newModelId(): string {
    return `m-${++this.#logged}`;
  }

  /** Of a registered model. */
  register(name: string, modelId: string, storeId?: string): number {
    const number = (this.#numbers.get(name) ?? 0) + 1;
    this.#numbers.set(name, number);
    this.versions.set(`${name}/${number}`, { modelId, madeAt: Date.now(), ...(storeId && { storeId }) });
    return number;
  }

  /** A model that others log. */
  log(name: string, files: Record<string, string>): string {
    const modelId = this.newModelId();
    const entries = Object.entries(files).map(([path, text]) => [path, Buffer.from(text)] as const);
    this.models.set(modelId, { files: new Map(entries) });
    return `models:/${name}/${this.register(name, modelId)}`;
  }

  /** The bytes of a file of a version. */
  file(version: string, path = "model.onnx"): Buffer {
    return this.models.get(this.versions.get(version)!.modelId)!.files.get(path)!;
  }

  write(version: string, path: string, text: string): void {
    this.models.get(this.versions.get(version)!.modelId)!.files.set(path, Buffer.from(text));
  }

  /** Those of a store, where this service is the backend. */
  over(others: Places): Places {
    return { ...others, openBackend: async (settings) => new ModelClient(this, settings) };
  }
}

const KNOWN = ["registeredModelName", "experiment", "tags"];

class ModelClient implements StorageBackend {
  readonly backend = "mlflow";
  readonly location: string;
  readonly #server: ModelServer;

  constructor(server: ModelServer, { trackingUri }: BackendSettings) {
    this.#server = server;
    this.location = trackingUri;
  }

  has(place: BackendPlace): boolean {
    return place.trackingUri === this.location;
  }

  takeOptions(name: string, options: unknown): object {
    this.#server.reach("takeOptions");
    const given = (options ?? {}) as Record<string, unknown>;
    for (const key of Object.keys(given))
      if (!KNOWN.includes(key)) throw new VarveError("INVALID_ARGUMENT", `no such option: ${key}`);
    return { registeredModelName: name.replaceAll(/[^A-Za-z0-9._-]/g, "-"), ...given };
  }

  async keep(value: BackendValue, save: BackendSave, options?: CallOptions): Promise<BackendPlace> {
    this.#server.reach("keep");
    await this.#server.beforeKeep();
    const { storeId, name } = save;
    this.#server.asked.push(`${name}:${save.version}`);
    const { registeredModelName } = save.options as { registeredModelName: string };
    const modelId = await this.#model(value, save, options);
    const number = this.#server.register(registeredModelName, modelId, storeId);
    this.#server.reach("kept");
    return this.#place(registeredModelName, number, modelId, { name });
  }

  /** The same bytes of the same store are kept once. */
  async #model(value: BackendValue, save: BackendSave, options?: CallOptions): Promise<string> {
    const digest = Buffer.from(value.digest).toString("hex");
    const { models } = this.#server;
    for (const [id, model] of models)
      if (!save.isAgain && model.storeId === save.storeId && model.digest === digest) return id;
    const files = new Map<string, Buffer>();
    for (const file of value.files) {
      const pieces: Uint8Array[] = [];
      for await (const piece of value.pieces(file, options)) pieces.push(piece.slice());
      files.set(file.path, Buffer.concat(pieces));
    }
    const id = this.#server.newModelId();
    models.set(id, { files, storeId: save.storeId, name: save.name, digest });
    return id;
  }

  #place(name: string, number: number, modelId: string, more: JsonObject = {}): BackendPlace {
    const facts = {
      trackingUri: this.location,
      modelUri: `models:/${name}/${number}`,
      modelId,
      flavor: "onnx",
    };
    return { ...facts, registeredName: name, registeredVersion: String(number), ...more };
  }

  async *pieces(place: BackendPlace, path: string): AsyncGenerator<Uint8Array> {
    this.#server.reach("pieces");
    const bytes = this.#files(place).get(path);
    if (!bytes) throw new VarveError("NOT_FOUND", `${path} is not there`);
    const half = Math.ceil(bytes.length / 2);
    yield Buffer.from(bytes.subarray(0, half));
    yield Buffer.from(bytes.subarray(half));
  }

  async list(place: BackendPlace): Promise<ListedFile[]> {
    this.#server.reach("list");
    return Array.from(this.#files(place), ([path, { length }]) => ({ path, size: length }));
  }

  #files(place: BackendPlace): Map<string, Buffer> {
    const isVersion = place.registeredName !== undefined;
    const modelId = isVersion ? this.#server.versions.get(keyOf(place))?.modelId : String(place.modelId);
    const model = modelId !== undefined && this.#server.models.get(modelId);
    if (!model) throw new VarveError("NOT_FOUND", `${String(place.modelUri)} is not there`);
    return model.files;
  }

  async remove(place: BackendPlace, { needed = [] }: RemoveOptions = {}): Promise<void> {
    this.#server.reach("remove");
    const { versions, models } = this.#server;
    versions.delete(keyOf(place));
    const modelId = String(place.modelId);
    const isNeeded = needed.some((other) => other.modelId === modelId);
    if (isNeeded || [...versions.values()].some((version) => version.modelId === modelId)) return;
    models.delete(modelId);
  }

  async orphans(storeId: string, known: readonly BackendPlace[], before: number): Promise<BackendOrphan[]> {
    this.#server.reach("orphans");
    const keys = new Set(known.map(keyOf));
    return Array.from(this.#server.versions).flatMap(([key, { modelId, storeId: owner, madeAt }]) => {
      if (keys.has(key) || owner !== storeId || madeAt >= before) return [];
      const [name, number] = key.split("/") as [string, string];
      const isRemnant = !this.#server.models.has(modelId);
      return [
        { place: this.#place(name, Number(number), modelId), description: `models:/${key}`, isRemnant },
      ];
    });
  }

  async resolve(uri: string): Promise<BackendPlace> {
    this.#server.reach("resolve");
    const [, modelId] = /^models:\/(m-\d+)$/.exec(uri) ?? [];
    if (modelId) return { trackingUri: this.location, modelUri: uri, modelId };
    const [, name, number] = /^models:\/([^/]+)\/(\d+)$/.exec(uri) ?? [];
    const version = this.#server.versions.get(`${name}/${number}`);
    if (!version) throw new VarveError("NOT_FOUND", `${uri} is not there`);
    return this.#place(name!, Number(number), version.modelId);
  }

  checkAlias(_: BackendPlace, alias: string): void {
    if (/^v\d+$/.test(alias)) throw new VarveError("INVALID_ARGUMENT", `not an alias there: ${alias}`);
  }

  async setAlias(place: BackendPlace, alias: string): Promise<void> {
    this.#server.reach("setAlias");
    this.#server.aliases.set(`${String(place.registeredName)}@${alias}`, String(place.registeredVersion));
  }

  async deleteAlias(place: BackendPlace, alias: string): Promise<void> {
    this.#server.reach("deleteAlias");
    this.#server.aliases.delete(`${String(place.registeredName)}@${alias}`);
  }

  async describe(place: BackendPlace): Promise<JsonObject> {
    return { uri: place.modelUri! };
  }

  async close(): Promise<void> {
    this.#server.reach("close");
  }
}

function keyOf({ registeredName, registeredVersion }: BackendPlace): string {
  return `${String(registeredName)}/${String(registeredVersion)}`;
}

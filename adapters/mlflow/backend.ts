import type {
  BackendOptions,
  BackendOrphan,
  BackendPlace,
  BackendSave,
  BackendValue,
  CallOptions,
  JsonObject,
  ListedFile,
  RemoveOptions,
  StorageBackend,
} from "../../engine/main.ts";
import { CallGuard } from "../../engine/main.ts";
import { checkAlias, deleteAlias, setAlias } from "./aliases.ts";
import { describe } from "./describe.ts";
import { filePieces, listFiles } from "./files.ts";
import { keep } from "./keep.ts";
import { takeOptions } from "./options.ts";
import { findOrphans } from "./orphans.ts";
import { placeOf, rowOf } from "./place.ts";
import type { MlflowClient } from "./protocol.ts";
import { remove } from "./remove.ts";
import { resolve } from "./resolve.ts";

/** MLflow as a place for models. What each call does is in the file of its name. */
export class MlflowBackend implements StorageBackend {
  readonly backend = "mlflow";
  readonly location: string;
  readonly #client: MlflowClient;
  readonly #guard = new CallGuard("connection with MLflow");

  constructor(client: MlflowClient) {
    this.#client = client;
    this.location = client.trackingUri;
  }

  has(place: BackendPlace): boolean {
    const { trackingUri, registryUri } = this.#client;
    const { trackingUri: tracking, registryUri: registry = tracking } = placeOf(place);
    return tracking === trackingUri && registry === registryUri;
  }

  takeOptions(name: string, options: unknown, kind: BackendValue["kind"]): BackendOptions {
    return takeOptions(name, options, kind);
  }

  keep(value: BackendValue, save: BackendSave, options?: CallOptions): Promise<BackendPlace> {
    return this.#guard.run(options, async () => rowOf(await keep(this.#client, value, save, options)));
  }

  pieces(place: BackendPlace, path: string, options?: CallOptions): AsyncIterable<Uint8Array> {
    const call = options ?? {};
    return this.#guard.iterate(options, () => filePieces(this.#client, placeOf(place), path, call));
  }

  list(place: BackendPlace, options?: CallOptions): Promise<ListedFile[]> {
    return this.#guard.run(options, () => listFiles(this.#client, placeOf(place), options ?? {}));
  }

  remove(place: BackendPlace, options?: RemoveOptions): Promise<void> {
    return this.#guard.run(options, () => remove(this.#client, placeOf(place), options));
  }

  orphans(
    storeId: string,
    known: readonly BackendPlace[],
    before: number,
    options?: CallOptions,
  ): Promise<BackendOrphan[]> {
    const search = { storeId, known: known.map(placeOf), before };
    return this.#guard.run(options, () => findOrphans(this.#client, search, options ?? {}));
  }

  resolve(uri: string, options?: CallOptions): Promise<BackendPlace> {
    return this.#guard.run(options, async () => rowOf(await resolve(this.#client, uri, options)));
  }

  checkAlias(place: BackendPlace, alias: string): void {
    checkAlias(placeOf(place), alias);
  }

  setAlias(place: BackendPlace, alias: string, options?: CallOptions): Promise<void> {
    return this.#guard.run(options, () => setAlias(this.#client, placeOf(place), alias, options));
  }

  deleteAlias(place: BackendPlace, alias: string, options?: CallOptions): Promise<void> {
    return this.#guard.run(options, () => deleteAlias(this.#client, placeOf(place), alias, options));
  }

  describe(place: BackendPlace, options?: CallOptions): Promise<JsonObject> {
    return this.#guard.run(options, () => describe(this.#client, placeOf(place), options));
  }

  close(): Promise<void> {
    return this.#guard.close(async () => this.#client.close());
  }
}

import { VarveError } from "../errors.ts";
import type { BackendPlace, StorageBackend } from "../ports/storage-backend.ts";
import { noMlflow } from "../refusals.ts";
import type { BackendConfig } from "./config.ts";

/** The backend of a store, opened when it is asked for first. */
export class BackendConnection {
  readonly #config: BackendConfig;
  #opening: Promise<StorageBackend> | undefined;

  constructor(config: BackendConfig) {
    this.#config = config;
  }

  get isConfigured(): boolean {
    return this.#config.settings !== undefined;
  }

  get keepsModels(): boolean {
    return this.#config.keepsModels;
  }

  /** @throws CONFIG where none is configured */
  async opened(): Promise<StorageBackend> {
    const { settings, open } = this.#config;
    if (!settings) throw noMlflow();
    this.#opening ??= open(settings);
    const opening = this.#opening;
    try {
      return await opening;
    } catch (error) {
      // The next call tries again.
      if (this.#opening === opening) this.#opening = undefined;
      throw error;
    }
  }

  /**
   * The one that a value is in. Another server than the configured one is never asked: whoever can write metadata could else
   * make readers send their credentials to a server of his own.
   * @throws CONFIG
   */
  async of(place: BackendPlace): Promise<StorageBackend> {
    const uri = String(place.trackingUri ?? "another server");
    if (!this.isConfigured) throw noMlflow(`the value is in MLflow: set mlflow_tracking_uri to ${uri}`);
    const backend = await this.opened();
    if (backend.has(place)) return backend;
    throw new VarveError("CONFIG", `the value is in the MLflow of ${uri}, not of ${backend.location}`, {
      hint: `set mlflow_tracking_uri to ${uri} to read it`,
      details: { item: "mlflow_tracking_uri" },
    });
  }

  async close(): Promise<void> {
    const opened = await this.#opening?.catch(() => undefined);
    await opened?.close();
  }
}

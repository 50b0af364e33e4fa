import type { StoreOptions } from "../api.ts";
import { VarveError } from "../errors.ts";
import type { Places } from "../ports/places.ts";
import type { BackendSettings } from "../ports/storage-backend.ts";
import { noMlflow } from "../refusals.ts";

/** What of a store's options concerns storage backends. */
export interface BackendConfig {
  /** Undefined where there is none. */
  settings: BackendSettings | undefined;
  /** Whether models go there of which nothing is said. */
  keepsModels: boolean;
  open: Places["openBackend"];
}

/** Nothing is asked of the backend. @throws CONFIG */
export function backendConfig(options: StoreOptions, places: Places | undefined): BackendConfig {
  const { mlflowTrackingUri: trackingUri, mlflowRegistryUri: registryUri } = options;
  const { defaultMlModelsStorageBackend: wanted } = options;
  const open = places ? places.openBackend.bind(places) : refuse;
  if (trackingUri === undefined) {
    if (wanted !== "mlflow") return { settings: undefined, keepsModels: false, open };
    throw noMlflow("set mlflow_tracking_uri too, or take default_ml_models_storage_backend away");
  }
  const settings = { trackingUri, ...(registryUri !== undefined && { registryUri }) };
  return { settings, keepsModels: wanted !== "varve", open };
}

/** Of a store that has none. */
export const NO_BACKEND: BackendConfig = { settings: undefined, keepsModels: false, open: refuse };

async function refuse(): Promise<never> {
  throw new VarveError("NOT_SUPPORTED", "the engine by itself knows no storage backend", {
    hint: "import openStore from the package, which knows MLflow",
  });
}

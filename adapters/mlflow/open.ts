import type { BackendSettings, StorageBackend } from "../../engine/main.ts";
import { MlflowBackend } from "./backend.ts";
import { openClient } from "./client.ts";

/** Sends nothing. @throws CONFIG for a URI that can't be MLflow's */
export async function openMlflow(settings: BackendSettings): Promise<StorageBackend> {
  return new MlflowBackend(await openClient(settings));
}

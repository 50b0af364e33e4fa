import type { CallOptions, ListedFile } from "../../engine/main.ts";
import { VarveError } from "../../engine/main.ts";
import type { MlflowPlace } from "./place.ts";
import { gone } from "./place.ts";
import type { Artifacts, MlflowClient } from "./protocol.ts";

/** Reading of what is in MLflow, where MLflow says at that moment that it is. */

/** @throws NOT_FOUND where MLflow does not know the version or model any more */
export async function filesOf(
  client: MlflowClient,
  place: MlflowPlace,
  options: CallOptions,
): Promise<Artifacts> {
  const { registeredName, registeredVersion, modelId, artifactUri } = place;
  let uri: string | undefined;
  if (registeredName !== undefined && registeredVersion !== undefined)
    uri = await client.registry.artifactUri(registeredName, registeredVersion, options);
  else if (modelId !== undefined) uri = (await client.models.get(modelId, options))?.artifactUri;
  else uri = artifactUri;
  if (uri === undefined) throw gone(place);
  return client.artifacts(uri);
}

/** @throws NOT_FOUND where there are none */
export async function listFiles(
  client: MlflowClient,
  place: MlflowPlace,
  options: CallOptions,
): Promise<ListedFile[]> {
  const all = await (await filesOf(client, place, options)).list(options);
  const files = place.file === undefined ? all : all.filter(({ path }) => path === place.file);
  if (files.length === 0) throw gone(place);
  return files;
}

export async function* filePieces(
  client: MlflowClient,
  place: MlflowPlace,
  path: string,
  options: CallOptions,
): AsyncGenerator<Uint8Array> {
  const files = await filesOf(client, place, options);
  try {
    yield* files.get(path, options);
  } catch (error) {
    if (error instanceof VarveError && error.code === "NOT_FOUND")
      throw gone(place, `${path} of ${place.modelUri}`);
    throw error;
  }
}

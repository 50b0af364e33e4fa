import type { CallOptions, RemoveOptions } from "../../engine/main.ts";
import type { Bytes } from "./needed.ts";
import { isNeeded, standsOn } from "./needed.ts";
import type { MlflowPlace } from "./place.ts";
import type { LoggedModel, MlflowClient, ModelVersion } from "./protocol.ts";

/**
 * The version first, so that nobody finds a model whose bytes are going; then, where no other version needs it, the model, and its bytes last.
 * A call that was interrupted anywhere can be repeated: what is gone is passed over.
 */
export async function remove(
  client: MlflowClient,
  place: MlflowPlace,
  { needed = [], ...options }: RemoveOptions = {},
): Promise<void> {
  const { modelId, runId } = place;
  await removeVersion(client, place, options);
  if (place.remnant && runId !== undefined) await removeUnended(client, runId, options);
  if (modelId === undefined) return;
  // Of a place without a version nothing tells there.
  if (needed.some((other) => other.modelId === modelId)) return;
  const model = await client.models.get(modelId, options);
  const bytes = bytesOf(place, modelId, model);
  if (await isNeeded(client, bytes, options)) return;
  await discardModel(client, bytes, options);
}

/** What an interrupted save has left; never a run that others made, or that has come to its end. */
async function removeUnended(client: MlflowClient, runId: string, options: CallOptions): Promise<void> {
  const run = await client.runs.get(runId, options);
  if (run && run.status !== "FINISHED") await client.runs.delete(runId, options);
}

function bytesOf(place: MlflowPlace, modelId: string, model: LoggedModel | undefined): Bytes {
  const artifactUri = model?.artifactUri ?? place.artifactUri;
  const { registeredName, digest } = place;
  return {
    modelId,
    ...(artifactUri !== undefined && { artifactUri }),
    ...(registeredName !== undefined && { registeredName }),
    ...(digest !== undefined && { digest }),
    ...(model && { model }),
  };
}

/** Aliases go with it: MLflow would keep them, pointing at nothing, where its server is an old one. */
async function removeVersion(client: MlflowClient, place: MlflowPlace, options: CallOptions): Promise<void> {
  const { registeredName: name, registeredVersion: version } = place;
  if (name === undefined || version === undefined) return;
  const found = await client.registry.getVersion(name, version, options);
  // A registered model that was removed and made again has other models under the same numbers.
  if (!found || !(await isOf(client, found, place, options))) return;
  const model = await client.registry.get(name, options);
  for (const [alias, of] of Object.entries(model?.aliases ?? {}))
    if (of === version) await client.registry.deleteAlias(name, alias, options);
  await client.registry.deleteVersion(name, version, options);
}

/** Whether a version of the registry is the one that a place tells of. */
async function isOf(
  client: MlflowClient,
  version: ModelVersion,
  { modelId, artifactUri }: MlflowPlace,
  options: CallOptions,
): Promise<boolean> {
  if (modelId !== undefined && version.source === `models:/${modelId}`) return true;
  return artifactUri === undefined || (await standsOn(client, version, artifactUri, options));
}

/**
 * Versions are counted again behind the removal of the model: who has made one in between still finds its bytes, and who makes one from
 * then on sees that the model is gone.
 */
export async function discardModel(client: MlflowClient, bytes: Bytes, options: CallOptions): Promise<void> {
  const { modelId, artifactUri } = bytes;
  await client.models.delete(modelId, options);
  if (artifactUri === undefined || (await isNeeded(client, bytes, options))) return;
  if (isFolderOf(artifactUri, modelId)) await client.artifacts(artifactUri).remove(undefined, options);
}

/** A folder that others share is never removed. */
function isFolderOf(artifactUri: string, modelId: string): boolean {
  return artifactUri.split("/").includes(modelId);
}

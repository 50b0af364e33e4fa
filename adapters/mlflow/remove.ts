import type { CallOptions, RemoveOptions } from "../../engine/main.ts";
import { whereField } from "./filter.ts";
import type { MlflowPlace } from "./place.ts";
import type { MlflowClient, ModelVersion } from "./protocol.ts";

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
  // What an interrupted save has left; never a run that others made.
  if (place.remnant && runId !== undefined) await client.runs.delete(runId, options);
  if (modelId === undefined) return;
  // Of a place without a version nothing tells there.
  if (needed.some((other) => other.modelId === modelId)) return;
  const model = await client.models.get(modelId, options);
  const artifactUri = model?.artifactUri ?? place.artifactUri;
  if (await isNeeded(client, modelId, artifactUri, options)) return;
  await discardModel(client, modelId, artifactUri, options);
}

/** Aliases go with it: MLflow would keep them, pointing at nothing, where its server is an old one. */
async function removeVersion(client: MlflowClient, place: MlflowPlace, options: CallOptions): Promise<void> {
  const { registeredName: name, registeredVersion: version } = place;
  if (name === undefined || version === undefined) return;
  const found = await client.registry.getVersion(name, version, options);
  // A registered model that was removed and made again has other models under the same numbers.
  if (!found || !isOf(found, place)) return;
  const model = await client.registry.get(name, options);
  for (const [alias, of] of Object.entries(model?.aliases ?? {}))
    if (of === version) await client.registry.deleteAlias(name, alias, options);
  await client.registry.deleteVersion(name, version, options);
}

/** Whether a version of the registry is the one that a place tells of. */
export function isOf(version: ModelVersion, { modelId, artifactUri }: MlflowPlace): boolean {
  // A version of before there were logged models: nothing else tells it from another.
  if (modelId === undefined) return true;
  const isModel = version.modelId === modelId || version.source === `models:/${modelId}`;
  return isModel || version.source === artifactUri;
}

/** Whether a version of the registry is made of a logged model. */
export async function isNeeded(
  client: MlflowClient,
  modelId: string,
  artifactUri: string | undefined,
  options: CallOptions,
): Promise<boolean> {
  const sources = [`models:/${modelId}`, ...(artifactUri === undefined ? [] : [artifactUri])];
  for (const source of sources) {
    const filter = whereField("source_path", source);
    for await (const _version of client.registry.searchVersions({ filter }, options)) return true;
  }
  return false;
}

/**
 * Versions are counted again behind the removal of the model: who has made one in between still finds its bytes, and who makes one from
 * then on sees that the model is gone.
 */
export async function discardModel(
  client: MlflowClient,
  modelId: string,
  artifactUri: string | undefined,
  options: CallOptions,
): Promise<void> {
  await client.models.delete(modelId, options);
  if (artifactUri === undefined || (await isNeeded(client, modelId, artifactUri, options))) return;
  if (isFolderOf(artifactUri, modelId)) await client.artifacts(artifactUri).remove(undefined, options);
}

/** A folder that others share is never removed. */
function isFolderOf(artifactUri: string, modelId: string): boolean {
  return artifactUri.split("/").includes(modelId);
}

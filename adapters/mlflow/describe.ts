import type { CallOptions, JsonObject } from "../../engine/main.ts";
import type { MlflowPlace } from "./place.ts";
import { gone } from "./place.ts";
import type { LoggedModel, MlflowClient, ModelVersion, Run } from "./protocol.ts";

/** What MLflow says of a model now. @throws NOT_FOUND */
export async function describe(
  client: MlflowClient,
  place: MlflowPlace,
  options: CallOptions = {},
): Promise<JsonObject> {
  const { registeredName: name, registeredVersion: number, modelId, runId } = place;
  const isRegistered = name !== undefined && number !== undefined;
  const version = isRegistered ? await client.registry.getVersion(name, number, options) : undefined;
  if (isRegistered && !version) throw gone(place);
  const model = modelId === undefined ? undefined : await client.models.get(modelId, options);
  if (!isRegistered && modelId !== undefined && !model) throw gone(place);
  const run = runId === undefined ? undefined : await client.runs.get(runId, options);
  if (!isRegistered && modelId === undefined && (!run || run.isDeleted)) throw gone(place);
  return {
    uri: place.modelUri,
    ...(version && { version: await versionFacts(client, version, options) }),
    ...(model && { model: modelFacts(model) }),
    ...(run && { run: runFacts(run) }),
  };
}

async function versionFacts(
  client: MlflowClient,
  version: ModelVersion,
  options: CallOptions,
): Promise<JsonObject> {
  const registered = await client.registry.get(version.name, options);
  const aliases = Object.entries(registered?.aliases ?? {})
    .filter(([, of]) => of === version.version)
    .map(([alias]) => alias)
    .sort();
  const { name, version: number, source, tags, createdAt } = version;
  return { name, version: number, source, aliases, tags: { ...tags }, createdAt: timeOf(createdAt) };
}

function modelFacts({ id, name, status, artifactUri, tags, params, createdAt }: LoggedModel): JsonObject {
  return {
    id,
    name,
    status,
    artifactUri,
    tags: { ...tags },
    params: { ...params },
    createdAt: timeOf(createdAt),
  };
}

function runFacts({ id, name, status, experimentId, isDeleted, params }: Run): JsonObject {
  return { id, name, status: isDeleted ? "deleted" : status, experimentId, params: { ...params } };
}

function timeOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

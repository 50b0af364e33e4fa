import type { CallOptions } from "../../engine/main.ts";
import { VarveError } from "../../engine/main.ts";
import { filePieces, listFiles } from "./files.ts";
import { every, whereField } from "./filter.ts";
import { flavorOf, noModel, readShort } from "./model/mlmodel.ts";
import { MLMODEL_FILE } from "./model/onnx.ts";
import type { MlflowPlace } from "./place.ts";
import type { LoggedModel, MlflowClient, ModelVersion, Run } from "./protocol.ts";

const MODEL_ID = /^m-[0-9a-f]{32}$/;
const FORMS =
  "`models:/name/3`, `models:/name@alias`, `models:/name/latest`, `models:/m-…` and `runs:/run/path` are such URIs";

/**
 * What a URI of MLflow's stands for now: a version, never an alias, which others could point elsewhere.
 * @throws INVALID_ARGUMENT for what is no such URI, NOT_FOUND
 */
export async function resolve(
  client: MlflowClient,
  uri: string,
  options: CallOptions = {},
): Promise<MlflowPlace> {
  const place = await placeOfUri(client, uri, options);
  return { ...place, flavor: await flavorAt(client, place, options) };
}

async function flavorAt(client: MlflowClient, place: MlflowPlace, options: CallOptions): Promise<string> {
  try {
    return flavorOf(await readShort(filePieces(client, place, MLMODEL_FILE, options)));
  } catch (error) {
    const isMissing = error instanceof VarveError && error.code === "NOT_FOUND";
    if (isMissing && (await listFiles(client, place, options)).length > 0)
      throw noModel(`${place.modelUri} has no file ${MLMODEL_FILE}`);
    throw error;
  }
}

async function placeOfUri(client: MlflowClient, uri: string, options: CallOptions): Promise<MlflowPlace> {
  const [, scheme, rest] = /^(models|runs):\/{1,3}([^/].*)$/s.exec(uri) ?? [];
  const path = rest?.replace(/\/+$/, "");
  if (!path) throw noUri(uri);
  if (scheme === "runs") return runPlace(client, uri, path, options);
  if (MODEL_ID.test(path)) return modelPlace(client, await loggedModel(client, uri, path, options));
  return versionPlace(client, await registered(client, uri, path, options), options);
}

async function loggedModel(
  client: MlflowClient,
  uri: string,
  id: string,
  options: CallOptions,
): Promise<LoggedModel> {
  const model = await client.models.get(id, options);
  if (model) return model;
  throw notThere(client, uri);
}

async function registered(
  client: MlflowClient,
  uri: string,
  path: string,
  options: CallOptions,
): Promise<ModelVersion> {
  const [, name, alias] = /^([^/@]+)@([\p{L}\p{N}_-]+)$/u.exec(path) ?? [];
  const [, byNumber, number] = /^([^/@]+)\/(\d+|latest)$/i.exec(path) ?? [];
  let version: ModelVersion | undefined;
  if (name !== undefined && alias !== undefined)
    version = await client.registry.findAlias(name, alias, options);
  else if (byNumber === undefined || number === undefined) throw noUri(uri);
  else if (number.toLowerCase() === "latest")
    version = await client.registry.latestVersion(byNumber, options);
  else version = await client.registry.getVersion(byNumber, String(BigInt(number)), options);
  if (version) return version;
  throw notThere(client, uri);
}

export async function versionPlace(
  client: MlflowClient,
  { name, version, modelId, runId, source }: ModelVersion,
  options: CallOptions,
): Promise<MlflowPlace> {
  // A copy of a version names that, and has the files of the model that it was made of.
  const artifactUri = await client.registry.artifactUri(name, version, options);
  const id = modelId ?? modelIdIn(source) ?? modelIdIn(artifactUri ?? "");
  const model = id === undefined ? undefined : await client.models.get(id, options);
  return {
    ...serversOf(client),
    modelUri: `models:/${name}/${version}`,
    ...(id !== undefined && { modelId: id }),
    ...(runId !== undefined && { runId }),
    ...(model && { experimentId: model.experimentId }),
    registeredName: name,
    registeredVersion: version,
    ...(artifactUri !== undefined && { artifactUri }),
  };
}

function modelIdIn(uri: string): string | undefined {
  return uri.split("/").find((part) => MODEL_ID.test(part));
}

export function modelPlace(client: MlflowClient, model: LoggedModel): MlflowPlace {
  return {
    ...serversOf(client),
    modelUri: `models:/${model.id}`,
    modelId: model.id,
    ...(model.runId !== undefined && { runId: model.runId }),
    experimentId: model.experimentId,
    artifactUri: model.artifactUri,
  };
}

/** A model that the run has logged, by its name; else a folder of the run's own, as MLflow 2 has kept models. */
async function runPlace(
  client: MlflowClient,
  uri: string,
  path: string,
  options: CallOptions,
): Promise<MlflowPlace> {
  const [, runId, name] = /^([^/]+)\/(.+)$/.exec(path) ?? [];
  if (runId === undefined || name === undefined) throw noUri(uri);
  const run = await client.runs.get(runId, options);
  if (!run || run.isDeleted) throw notThere(client, uri);
  const model = await modelOfRun(client, run, name, options);
  if (model) return modelPlace(client, model);
  return {
    ...serversOf(client),
    modelUri: `runs:/${runId}/${name}`,
    runId,
    experimentId: run.experimentId,
    artifactUri: `${run.artifactUri.replace(/\/+$/, "")}/${name}`,
  };
}

async function modelOfRun(
  client: MlflowClient,
  run: Run,
  name: string,
  options: CallOptions,
): Promise<LoggedModel | undefined> {
  const filter = every(whereField("name", name), whereField("source_run_id", run.id));
  const query = { experimentIds: [run.experimentId], filter };
  for await (const model of client.models.search(query, options)) return model;
  return undefined;
}

export function serversOf({
  trackingUri,
  registryUri,
}: MlflowClient): Pick<MlflowPlace, "trackingUri" | "registryUri"> {
  return { trackingUri, ...(registryUri !== trackingUri && { registryUri }) };
}

function noUri(uri: string): VarveError {
  return new VarveError("INVALID_ARGUMENT", `${JSON.stringify(uri)} names no model of MLflow`, {
    hint: FORMS,
  });
}

function notThere(client: MlflowClient, uri: string): VarveError {
  return new VarveError("NOT_FOUND", `there is no ${uri} in MLflow`, {
    hint: `look at ${client.trackingUri}: it may have been removed, or be on another server`,
    details: { uri },
  });
}

import type { BackendSave, BackendValue, CallOptions } from "../../engine/main.ts";
import { VarveError } from "../../engine/main.ts";
import { TAGS } from "./attempt.ts";
import { every, whereField, whereTag } from "./filter.ts";
import { modelNameOf } from "./names.ts";
import { originTags } from "./origin.ts";
import type { MlflowPlace } from "./place.ts";
import type { Plan } from "./plan.ts";
import { planOf, uploadsOf } from "./plan.ts";
import type { Experiment, LoggedModel, MlflowClient, ModelVersion, Run } from "./protocol.ts";
import { discardModel } from "./remove.ts";
import { isKept, upload } from "./upload.ts";

/** How often another removes the model that was just found, before this gives up. */
const TRIES_MAX = 3;

/**
 * Each step looks first for what an interrupted call has left of it. Nothing that is readable under the registered name is there
 * before all bytes are: the version comes behind the files, and `MLmodel` is the last of those.
 */
export async function keep(
  client: MlflowClient,
  value: BackendValue,
  save: BackendSave,
  { signal }: CallOptions = {},
): Promise<MlflowPlace> {
  const options = signal ? { signal } : {};
  const plan = await planOf(value, save, options);
  const experiment = await client.experiments.ensure(plan.taken.experiment, options);
  // Refused where MLflow's server would not pass them on.
  client.artifacts(experiment.artifactUri);
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const place = await keepOnce(client, plan, experiment, options);
    if (place) return place;
  }
  throw new VarveError("UNAVAILABLE", `others remove ${plan.taken.registeredName} in MLflow meanwhile`, {
    hint: "save again when nobody else deletes the same model",
  });
}

/** Nothing where the model was removed by another before its version was there. */
async function keepOnce(
  client: MlflowClient,
  plan: Plan,
  experiment: Experiment,
  options: CallOptions,
): Promise<MlflowPlace | undefined> {
  const run = await runOf(client, plan, experiment, options);
  const found = await wholeModel(client, plan, experiment, options);
  const model = found ?? (await newModel(client, plan, run, options));
  let isVisible = false;
  try {
    await checkRegistry(client, model, options);
    if (!found) await upload(client.artifacts(model.artifactUri), uploadsOf(plan, model), options);
    if (!found) await client.models.setStatus(model.id, "READY", options);
    await client.runs.logOutputs(run.id, [model.id], options);
    const version = await versionOf(client, plan, model, run, options);
    if (!version) return undefined;
    isVisible = true;
    // Whoever removes a model counts its versions behind that: either it is seen here to be gone, or its bytes stay.
    if ((await client.models.get(model.id, options))?.status !== "READY") {
      await client.registry.deleteVersion(version.name, version.version, options);
      return undefined;
    }
    for (const alias of plan.taken.aliases)
      await client.registry.setAlias(version.name, alias, version.version, options);
    await client.runs.setStatus(run.id, "FINISHED", options);
    return placeOfVersion(client, plan, model, run, version);
  } catch (error) {
    // Others may have found what is whole and has a name: the same call completes it.
    if (!isVisible && !isInterruption(error)) await cleanUp(client, plan, run, found ? undefined : model);
    throw error;
  }
}

/** What can be taken up by the same call again, when the server is back. */
function isInterruption(error: unknown): boolean {
  return error instanceof VarveError && (error.code === "UNAVAILABLE" || error.code === "UNAUTHORIZED");
}

async function runOf(client: MlflowClient, plan: Plan, experiment: Experiment, options: CallOptions) {
  const query = { experimentIds: [experiment.id], filter: whereTag(TAGS.attempt, plan.attempt) };
  const find = async (call: CallOptions = options) => {
    for await (const run of client.runs.search(query, call)) if (!run.isDeleted) return run;
    return undefined;
  };
  const { runName: name = plan.save.name, params } = plan.taken;
  const tags = { ...plan.tags, ...originTags(plan.save.environment) };
  const made = { experimentId: experiment.id, name, tags };
  const run = (await find()) ?? (await client.runs.create(made, find, options));
  if (Object.keys(params).length > 0) await client.runs.logParams(run.id, params, options);
  return run;
}

/** A model with the same files, whoever has logged it: nothing of it is sent again. */
async function wholeModel(
  client: MlflowClient,
  plan: Plan,
  experiment: Experiment,
  options: CallOptions,
): Promise<LoggedModel | undefined> {
  if (plan.save.isAgain) return undefined;
  const filter = every(whereTag(TAGS.digest, plan.digest), whereTag(TAGS.definition, plan.definition));
  for await (const model of client.models.search({ experimentIds: [experiment.id], filter }, options)) {
    if (model.status !== "READY") continue;
    const files = uploadsOf(plan, model);
    if (await isKept(client.artifacts(model.artifactUri), files, options)) return model;
  }
  return undefined;
}

/** Nobody takes it for a whole one before its status says so. */
async function newModel(
  client: MlflowClient,
  plan: Plan,
  run: Run,
  options: CallOptions,
): Promise<LoggedModel> {
  const query = { experimentIds: [run.experimentId], filter: whereTag(TAGS.attempt, plan.attempt) };
  const find = async (call: CallOptions = options) => {
    for await (const model of client.models.search(query, call)) if (model.status !== "READY") return model;
    return undefined;
  };
  const made = {
    experimentId: run.experimentId,
    name: modelNameOf(plan.taken.registeredName),
    runId: run.id,
    tags: { ...plan.tags, ...originTags(plan.save.environment) },
    params: plan.taken.params,
  };
  return (await find()) ?? (await client.models.create(made, find, options));
}

async function versionOf(
  client: MlflowClient,
  plan: Plan,
  model: LoggedModel,
  run: Run,
  options: CallOptions,
): Promise<ModelVersion | undefined> {
  const name = plan.taken.registeredName;
  const source = `models:/${model.id}`;
  const filter = every(whereField("name", name), whereTag(TAGS.attempt, plan.attempt));
  const find = async (call: CallOptions = options) => {
    // Copies that others have made of it have the same tags.
    for await (const version of client.registry.searchVersions({ filter }, call))
      if (version.source === source) return version;
    return undefined;
  };
  await client.registry.ensure(name, {}, options);
  const made = { name, source, modelId: model.id, runId: run.id, tags: plan.tags };
  try {
    return (await find()) ?? (await client.registry.createVersion(made, find, options));
  } catch (error) {
    // MLflow fails inside where the model was removed meanwhile.
    const isUnknown = error instanceof VarveError && /unable to fetch model/i.test(error.message);
    if (!isUnknown || (await client.models.get(model.id, options))) throw error;
    return undefined;
  }
}

/** @throws CONFIG where no version could be made of what is to be sent */
async function checkRegistry(client: MlflowClient, model: LoggedModel, options: CallOptions): Promise<void> {
  const { trackingUri, registryUri } = client;
  if (registryUri === trackingUri || (await client.registry.hasModel(model.id, options))) return;
  throw new VarveError(
    "CONFIG",
    `the registry at ${registryUri} does not know the models of ${trackingUri}`,
    {
      hint: "the server of the registry must stand on the same database: MLflow's own library can't register there either",
      details: { item: "mlflow_registry_uri" },
    },
  );
}

function placeOfVersion(
  client: MlflowClient,
  plan: Plan,
  model: LoggedModel,
  run: Run,
  { name, version }: ModelVersion,
): MlflowPlace {
  const { trackingUri, registryUri } = client;
  return {
    trackingUri,
    modelUri: `models:/${name}/${version}`,
    ...(registryUri !== trackingUri && { registryUri }),
    modelId: model.id,
    runId: run.id,
    experimentId: model.experimentId,
    registeredName: name,
    registeredVersion: version,
    flavor: plan.flavor,
    artifactUri: model.artifactUri,
    digest: plan.digest,
    ...(plan.file !== undefined && { file: plan.file }),
  };
}

/** As far as it goes: what stays behind is found as an orphan. */
async function cleanUp(
  client: MlflowClient,
  plan: Plan,
  run: Run,
  model: LoggedModel | undefined,
): Promise<void> {
  const options = { signal: AbortSignal.timeout(CLEAN_UP_MAX) };
  try {
    await client.runs.setStatus(run.id, "FAILED", options);
    if (model?.tags[TAGS.attempt] !== plan.attempt) return;
    await client.models.setStatus(model.id, "UPLOAD_FAILED", options);
    const { id: modelId, artifactUri } = model;
    await discardModel(client, { modelId, artifactUri, model, digest: plan.digest }, options);
  } catch {
    // The failure that led here is the one to tell.
  }
}

/** Milliseconds. */
const CLEAN_UP_MAX = 10_000;

import type { BackendOrphan, CallOptions } from "../../engine/main.ts";
import { TAGS } from "./attempt.ts";
import { every, whereRunningSince, whereTag } from "./filter.ts";
import { isNeeded } from "./needed.ts";
import type { MlflowPlace } from "./place.ts";
import { rowOf } from "./place.ts";
import type { LoggedModel, MlflowClient, ModelVersion, Run } from "./protocol.ts";
import { modelPlace, serversOf, versionPlace } from "./resolve.ts";

/** More at once help nobody: these are removed, then it is asked again. */
const ORPHANS_MAX = 1000;
const EXPERIMENTS_AT_ONCE = 100;

export interface OrphanSearch {
  storeId: string;
  known: readonly MlflowPlace[];
  /** Milliseconds since 1970. */
  before: number;
}

/** Versions that no place names, models without a version, and runs that never came to an end, all with the store's tag. */
export async function findOrphans(
  client: MlflowClient,
  search: OrphanSearch,
  options: CallOptions,
): Promise<BackendOrphan[]> {
  const found: BackendOrphan[] = [];
  for (const kind of [versionOrphans, modelOrphans, runOrphans]) {
    for await (const orphan of kind(client, search, options)) {
      if (found.length === ORPHANS_MAX) return found;
      found.push(orphan);
    }
  }
  return found;
}

async function* versionOrphans(
  client: MlflowClient,
  { storeId, known, before }: OrphanSearch,
  options: CallOptions,
): AsyncGenerator<BackendOrphan> {
  const keyOf = (name: string | undefined, version: string | undefined) => JSON.stringify([name, version]);
  const keys = new Set(known.map((place) => keyOf(place.registeredName, place.registeredVersion)));
  const filter = whereTag(TAGS.store, storeId);
  for await (const version of client.registry.searchVersions({ filter }, options)) {
    if (keys.has(keyOf(version.name, version.version)) || version.createdAt >= before) continue;
    // Copies that people have made of versions have their tags too, and are theirs.
    if (!/^models:\/m-[0-9a-f]{32}$/.test(version.source)) continue;
    const place = await versionPlace(client, version, options);
    const description = `version ${version.version} of ${version.name}${madeFor(version)}`;
    yield { place: rowOf(place), description, isRemnant: false };
  }
}

/** Nobody finds them by a name: the save was interrupted before, or the removal behind it. */
async function* modelOrphans(
  client: MlflowClient,
  { storeId, known, before }: OrphanSearch,
  options: CallOptions,
): AsyncGenerator<BackendOrphan> {
  const ids = new Set(known.map(({ modelId }) => modelId));
  const filter = whereTag(TAGS.store, storeId);
  for await (const model of client.models.search({ filter }, options)) {
    if (ids.has(model.id) || model.createdAt >= before) continue;
    const { id: modelId, artifactUri } = model;
    if (await isNeeded(client, { modelId, artifactUri, model }, options)) continue;
    const description = `model ${model.id} (${model.status}) without a version${madeFor(model)}`;
    yield { place: rowOf({ ...modelPlace(client, model), remnant: true }), description, isRemnant: true };
  }
}

/** Such a run would be shown as running for ever. One that has models goes with those. */
async function* runOrphans(
  client: MlflowClient,
  { storeId, known, before }: OrphanSearch,
  options: CallOptions,
): AsyncGenerator<BackendOrphan> {
  const ids = new Set(known.map(({ runId }) => runId));
  const filter = every(whereTag(TAGS.store, storeId), whereRunningSince(before));
  for await (const experimentIds of experimentsOf(client, options)) {
    for await (const run of client.runs.search({ experimentIds, filter }, options)) {
      if (run.isDeleted || ids.has(run.id)) continue;
      const place = {
        ...serversOf(client),
        modelUri: `runs:/${run.id}`,
        runId: run.id,
        remnant: true as const,
      };
      const description = `run ${run.id} (${run.status})${madeFor(run)}`;
      yield { place: rowOf(place), description, isRemnant: true };
    }
  }
}

/** As many at a time as are searched together. */
async function* experimentsOf(client: MlflowClient, options: CallOptions): AsyncGenerator<string[]> {
  let ids: string[] = [];
  for await (const { id } of client.experiments.list(options)) {
    ids.push(id);
    if (ids.length < EXPERIMENTS_AT_ONCE) continue;
    yield ids;
    ids = [];
  }
  if (ids.length > 0) yield ids;
}

function madeFor({ tags }: ModelVersion | LoggedModel | Run): string {
  const name = tags[TAGS.name];
  return name === undefined ? "" : `, made for ${name}:${tags[TAGS.version]}`;
}

import type { CallOptions } from "../../engine/main.ts";
import { TAGS } from "./attempt.ts";
import { whereCopyOf, whereField, whereTag } from "./filter.ts";
import type { LoggedModel, MlflowClient, ModelVersion, Tags } from "./protocol.ts";

/** A model whose bytes may be about to go. */
export interface Bytes {
  modelId: string;
  /** Where they are. */
  artifactUri?: string;
  /** Under which a version of it was. */
  registeredName?: string;
  digest?: string;
  /** As MLflow has it, if it has it still. */
  model?: LoggedModel;
}

/** MLflow's own: which versions were ever made of the model. */
const VERSIONS_TAG = "mlflow.modelVersions";

/**
 * Whether any version of the registry stands on these bytes. Not only those that were made of the model itself: `copy_model_version`,
 * and "Promote" on MLflow's page, make versions of versions, under other names, that have no bytes of their own.
 */
export async function isNeeded(client: MlflowClient, bytes: Bytes, options: CallOptions): Promise<boolean> {
  const { modelId, artifactUri, model } = bytes;
  const filters = [whereField("source_path", `models:/${modelId}`)];
  if (artifactUri !== undefined) filters.push(whereField("source_path", artifactUri));
  for (const filter of filters)
    for await (const _version of client.registry.searchVersions({ filter }, options)) return true;
  if (artifactUri === undefined) return false;
  const names = namesOf(model?.tags);
  // What can't be read may name any: the bytes stay.
  if (!names) return true;
  if (bytes.registeredName !== undefined) names.add(bytes.registeredName);
  const digest = bytes.digest ?? model?.tags[TAGS.digest];
  const copies = [...names].map(whereCopyOf);
  // Tags go with copies, and so do they with copies of copies.
  if (digest !== undefined) copies.push(whereTag(TAGS.digest, digest));
  for (const filter of copies) {
    for await (const version of client.registry.searchVersions({ filter }, options))
      if (await standsOn(client, version, artifactUri, options)) return true;
  }
  return false;
}

export async function standsOn(
  client: MlflowClient,
  { name, version }: ModelVersion,
  artifactUri: string,
  options: CallOptions,
): Promise<boolean> {
  return (await client.registry.artifactUri(name, version, options)) === artifactUri;
}

function namesOf(tags: Tags | undefined): Set<string> | undefined {
  const text = tags?.[VERSIONS_TAG];
  if (text === undefined) return new Set();
  try {
    const versions = JSON.parse(text) as { name: string }[];
    return new Set(versions.map(({ name }) => String(name)));
  } catch {
    return undefined;
  }
}

import type { CallOptions } from "../../engine/main.ts";
import { VarveError } from "../../engine/main.ts";
import { takeAlias } from "./names.ts";
import type { MlflowPlace } from "./place.ts";
import { gone } from "./place.ts";
import type { MlflowClient } from "./protocol.ts";

/** @throws INVALID_ARGUMENT for an alias that MLflow refuses, NOT_SUPPORTED for what is no version of the registry */
export function checkAlias(place: MlflowPlace, alias: string): { name: string; version: string } {
  takeAlias("alias", alias);
  const { registeredName: name, registeredVersion: version } = place;
  if (name !== undefined && version !== undefined) return { name, version };
  throw new VarveError("NOT_SUPPORTED", `${place.modelUri} is not in MLflow's registry, where aliases are`, {
    hint: "register it there, and adopt the version: `models:/name/3`",
  });
}

export async function setAlias(
  client: MlflowClient,
  place: MlflowPlace,
  alias: string,
  options: CallOptions = {},
): Promise<void> {
  const { name, version } = checkAlias(place, alias);
  try {
    await client.registry.setAlias(name, alias, version, options);
  } catch (error) {
    if (error instanceof VarveError && error.code === "NOT_FOUND") throw gone(place);
    throw error;
  }
}

/** One that somebody has pointed at another version since is theirs. */
export async function deleteAlias(
  client: MlflowClient,
  place: MlflowPlace,
  alias: string,
  options: CallOptions = {},
): Promise<void> {
  const { name, version } = checkAlias(place, alias);
  const found = await client.registry.findAlias(name, alias, options);
  if (found?.version === version) await client.registry.deleteAlias(name, alias, options);
}

import type { CallOptions } from "../api.ts";
import { invalid } from "../argument.ts";
import { signalOf } from "../call-options.ts";
import { requireRecord } from "../composed/find.ts";
import { VarveError } from "../errors.ts";
import type { StorageBackend } from "../ports/storage-backend.ts";
import type { ParsedRef } from "../ref.ts";
import { placeOf } from "./kept.ts";
import type { BackendParts } from "./parts.ts";
import { isKept } from "./rows.ts";

/** Aliases that the backend has too. What it would refuse is refused first; then ours changes, then the one there. */

export async function setAliasThere(
  parts: BackendParts,
  { name, alias, version }: { name: string; alias: string; version: number },
  options: CallOptions,
): Promise<void> {
  const { backend, place } = await placed(parts, { kind: "version", name, version }, alias, options);
  await parts.commit({ kind: "alias", name, alias, version });
  await there(`${name}@${alias} is set`, () => backend.setAlias(place, alias, signalOf(options)));
}

export async function deleteAliasThere(
  parts: BackendParts,
  { name, alias }: { name: string; alias: string },
  options: CallOptions,
): Promise<void> {
  const { backend, place } = await placed(parts, { kind: "alias", name, alias }, alias, options);
  await parts.commit({ kind: "deleteAlias", name, alias });
  await there(`${name}@${alias} is deleted`, () => backend.deleteAlias(place, alias, signalOf(options)));
}

async function placed(parts: BackendParts, ref: ParsedRef, alias: string, options: CallOptions) {
  const record = await requireRecord(parts.metadata(), ref, options);
  if (!isKept(record))
    throw invalid(`MLflow does not keep ${record.name}:${record.version}`, "leave the option `mlflow` out");
  const place = placeOf(record.kept);
  const backend: StorageBackend = await parts.connection.of(place);
  backend.checkAlias(place, alias);
  return { backend, place };
}

async function there(what: string, change: () => Promise<void>): Promise<void> {
  try {
    await change();
  } catch (error) {
    if (!(error instanceof VarveError)) throw error;
    throw new VarveError(error.code, `${what}, but not in MLflow: ${error.message}`, {
      hint: "change it in MLflow too, or set the alias once more with the option `mlflow`",
      cause: error,
      ...(error.details && { details: error.details }),
    });
  }
}

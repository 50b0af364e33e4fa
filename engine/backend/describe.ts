import type { CallOptions, JsonObject } from "../api.ts";
import { invalid } from "../argument.ts";
import { signalOf } from "../call-options.ts";
import { requireRecord } from "../composed/find.ts";
import { VarveError } from "../errors.ts";
import type { ParsedRef } from "../ref.ts";
import { placeOf } from "./kept.ts";
import type { BackendParts } from "./parts.ts";
import { removedThere } from "./refusals.ts";
import { isKept } from "./rows.ts";

/** What the backend says of a version now. */
export async function describeThere(
  parts: BackendParts,
  ref: ParsedRef,
  options: CallOptions,
): Promise<JsonObject> {
  const record = await requireRecord(parts.metadata(), ref, options);
  const found = `${record.name}:${record.version}`;
  if (!isKept(record))
    throw invalid(`MLflow does not keep ${found}`, "the artifact itself has all that is known of it");
  const place = placeOf(record.kept);
  const backend = await parts.connection.of(place);
  try {
    return await backend.describe(place, signalOf(options));
  } catch (error) {
    if (error instanceof VarveError && error.code === "NOT_FOUND") throw removedThere(found, error);
    throw error;
  }
}

import type { CallOptions, JsonObject } from "../api.ts";
import { throwIfAborted } from "../errors.ts";
import type { VersionRecord } from "../ports/metadata-store.ts";
import type { BackendParts } from "./parts.ts";

/** A version that a backend keeps. */
export type KeptRecord = VersionRecord & { kept: JsonObject };

/** All that are live, or can be brought back. */
export async function* everyKept(
  { metadata, mayHave }: Pick<BackendParts, "metadata" | "mayHave">,
  options: CallOptions = {},
): AsyncGenerator<KeptRecord> {
  if (!mayHave()) return;
  for (const mode of ["live", "deleted"] as const) {
    const versions = metadata().list(
      {
        ...{
          mode,
          sort: "name",
          reverse: false,
          limit: Number.POSITIVE_INFINITY,
          prefix: "",
          isExact: false,
        },
        hints: { backend: "mlflow" },
        matches: (record) => {
          throwIfAborted(options.signal);
          return isKept(record) && !record.isForgotten;
        },
      },
      options.signal ? { signal: options.signal } : {},
    );
    for await (const record of versions) if (isKept(record)) yield record;
  }
}

export function isKept(record: VersionRecord): record is KeptRecord {
  return record.kept !== undefined;
}

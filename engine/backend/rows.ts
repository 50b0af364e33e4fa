import type { CallOptions, JsonObject } from "../api.ts";
import { signalOf } from "../call-options.ts";
import { throwIfAborted } from "../errors.ts";
import type { VersionRecord } from "../ports/metadata-store.ts";
import type { BackendParts } from "./parts.ts";

/** A version that a backend keeps. */
export type KeptRecord = VersionRecord & { kept: JsonObject };

type Rows = Pick<BackendParts, "metadata" | "mayHave">;

/** All that are live, or can be brought back. */
export function everyKept(rows: Rows, options?: CallOptions): AsyncGenerator<KeptRecord> {
  return keptOf(rows, ["live", "deleted"], options);
}

/** The same, some of them twice, and none left out that is deleted or brought back meanwhile. */
export function everyNeeded(rows: Rows, options?: CallOptions): AsyncGenerator<KeptRecord> {
  return keptOf(rows, ["live", "deleted", "live"], options);
}

async function* keptOf(
  { metadata, mayHave }: Rows,
  modes: readonly ("live" | "deleted")[],
  options: CallOptions = {},
): AsyncGenerator<KeptRecord> {
  if (!(await mayHave())) return;
  for (const mode of modes) {
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
      signalOf(options),
    );
    for await (const record of versions) if (isKept(record)) yield record;
  }
}

export function isKept(record: VersionRecord): record is KeptRecord {
  return record.kept !== undefined;
}

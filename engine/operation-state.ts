import type { JsonObject } from "./api.ts";
import { digestText } from "./blob/digest.ts";
import type { VersionRecord } from "./ports/metadata-store.ts";

/**
 * The state of a version as an operation of the change feed tells it: all of it that is JSON, but for its aliases, which
 * have operations of their own. The environment stands there as a whole.
 */
export function operationState(record: VersionRecord): JsonObject {
  const { digest, size, mediaType, stamps, kept, sequence, createdAt, backend, deleted } = record;
  return {
    digest: digestText(digest),
    size,
    mediaType,
    ...(stamps && { stamps: digestText(stamps) }),
    ...(kept && { kept: structuredClone(kept) }),
    sequence,
    createdAt,
    backend,
    ...(record.code && { code: structuredClone(record.code) as unknown as JsonObject }),
    inputs: [...record.inputs],
    environment: structuredClone(record.environment) as unknown as JsonObject,
    tags: { ...record.tags },
    metadata: structuredClone(record.metadata),
    deleted,
  };
}

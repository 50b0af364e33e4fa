import type { CallOptions } from "../api.ts";
import { signalOf } from "../call-options.ts";
import type { BlobStore } from "../ports/blob-store.ts";
import type { MetadataStore, VersionRecord } from "../ports/metadata-store.ts";
import type { ParsedRef } from "../ref.ts";
import { compactedAway, noSuchArtifact, standsForMany } from "../refusals.ts";

/** The live version that a ref means. @throws INVALID_ARGUMENT for `name:all` */
export async function findRecord(
  metadata: MetadataStore,
  ref: ParsedRef,
  options?: CallOptions,
): Promise<VersionRecord | undefined> {
  if (ref.kind === "all") throw standsForMany(ref);
  return metadata.find(ref, signalOf(options));
}

/** As `findRecord`. @throws NOT_FOUND, with the hint that fits when the version was deleted */
export async function requireRecord(
  metadata: MetadataStore,
  ref: ParsedRef,
  options?: CallOptions,
): Promise<VersionRecord> {
  const found = await findRecord(metadata, ref, options);
  if (found) return found;
  const deleted = ref.kind === "version" ? await metadata.at(ref.name, ref.version) : undefined;
  throw noSuchArtifact(ref, deleted && (deleted.isForgotten ? "collected" : "whole"));
}

/** @throws NOT_FOUND for a deleted version whose bytes are gone, though it was not forgotten: a collection was cut short */
export async function checkWhole(
  metadata: MetadataStore,
  blobs: BlobStore,
  ref: ParsedRef & { kind: "version" },
): Promise<void> {
  const record = await metadata.at(ref.name, ref.version);
  if (record?.deleted && !record.kept && (await blobs.sizeOf(record.digest)) === undefined)
    throw compactedAway(ref);
}

/** What of the options concerns those who are called. */

import { createHash } from "node:crypto";
import type { Artifact, Batch, Pending, SaveOptions } from "../../engine/api.ts";
import type { Change, PendingIndex, SaveCall } from "./store-commands.ts";
import type { ModelRef, ModelVersion, StoreModel } from "./store-model.ts";

/** What stands between the arbitrary calls and the API: refs as users write them, options, what an artifact shows. */

export function facts(artifact: Artifact) {
  const { ref, name, version, digest, mediaType, size, createdAt, sequence, backend, code } = artifact;
  const { inputs, tags, metadata, aliases, deleted } = artifact;
  const what = { ref, name, version, digest, mediaType, size, createdAt, sequence, backend, code };
  return { ...what, inputs, tags, metadata, aliases, deleted };
}

/** The facts of an artifact as the model has them. @param isExact whether it counts operations as the store does */
export function versionFacts(model: StoreModel, version: ModelVersion, isExact: boolean) {
  const { name, digest, mediaType, size, sequence, inputs, deleted, code } = version;
  return {
    ref: `${name}:${version.version}`,
    name,
    version: version.version,
    digest,
    mediaType,
    size,
    createdAt: new Date(version.createdAt),
    sequence: isExact ? sequence : 0,
    backend: "varve",
    code: code === undefined || !model.hasCode(version) ? undefined : { sources: [{ text: code }] },
    inputs,
    tags: Object.fromEntries(version.tags),
    metadata: Object.fromEntries(version.metadata),
    aliases: model.aliasesOf(version),
    deleted,
  };
}

export function queue(batch: Batch, change: Change, pending: Pending[]): void {
  const refOf = (ref: ModelRef | PendingIndex): string | Pending =>
    "pending" in ref ? (pending[ref.pending % pending.length] ?? "a:0") : text(ref);
  switch (change.type) {
    case "save":
      pending.push(batch.save(change.name, change.value, saveOptions(change, change.inputs.map(refOf))));
      break;
    case "delete":
      batch.delete(refOf(change.ref), { aliases: change.aliases });
      break;
    case "setAlias": {
      const target = typeof change.version === "number" ? undefined : refOf(change.version);
      if (target === undefined) batch.setAlias(change.name, change.alias, change.version as number);
      else if (typeof target === "string") batch.setAlias("a", change.alias, 0);
      else batch.setAlias(target.name, change.alias, target);
      break;
    }
    case "deleteAlias":
      batch.deleteAlias(change.name, change.alias);
      break;
    case "annotate":
      batch.annotate(refOf(change.ref), change);
  }
}

export function saveOptions<R>(change: SaveCall, inputs: R[]): Omit<SaveOptions, "inputs"> & { inputs: R[] } {
  const { mediaType, code, tags, metadata, ifVersion, value } = change;
  return {
    inputs,
    tags,
    metadata,
    ...(mediaType !== undefined && value instanceof Uint8Array && { mediaType }),
    ...(code !== undefined && { code }),
    ...(ifVersion !== undefined && { ifVersion }),
  };
}

export function resolved(ref: ModelRef | PendingIndex, saved: ModelVersion[]): ModelRef {
  if (!("pending" in ref)) return ref;
  const { name, version } = saved[ref.pending % saved.length] ?? { name: "a", version: 0 };
  return { name, kind: "version", version };
}

export function aliasTarget(change: Change & { type: "setAlias" }, saved: ModelVersion[]) {
  if (typeof change.version === "number") return { name: change.name, version: change.version };
  return resolved(change.version, saved) as { name: string; version: number };
}

/** A ref as a user writes it. */
export function text(ref: ModelRef): string {
  switch (ref.kind) {
    case "bare":
      return ref.name;
    case "version":
      return `${ref.name}:${ref.version}`;
    case "alias":
      return `${ref.name}@${ref.alias}`;
    default:
      return `${ref.name}:${ref.kind}`;
  }
}

export function blobOf(bytes: Uint8Array): { digest: string; size: number } {
  return { digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}`, size: bytes.length };
}

export function isArtifact(result: unknown): result is Artifact {
  return typeof result === "object" && result !== null && "ref" in result;
}

export function isVersion(result: unknown): result is ModelVersion {
  return typeof result === "object" && result !== null && "digest" in result;
}

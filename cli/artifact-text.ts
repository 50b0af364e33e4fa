/** An artifact as a JSON document, and as a line for people. */

import type { Artifact } from "../engine/main.ts";
import { printable } from "./printable.ts";

/** All fields of the artifact but its code, which may be long: `show` and `code` have it. */
export function artifactDocument(artifact: Artifact): Record<string, unknown> {
  return {
    name: artifact.name,
    version: artifact.version,
    ref: artifact.ref,
    digest: artifact.digest,
    mediaType: artifact.mediaType,
    size: artifact.size,
    createdAt: artifact.createdAt.toISOString(),
    sequence: artifact.sequence,
    backend: artifact.backend,
    ...(artifact.mlflow === undefined ? {} : { mlflow: artifact.mlflow }),
    ...(artifact.createdBy === undefined ? {} : { createdBy: artifact.createdBy }),
    inputs: artifact.inputs,
    environment: artifact.environment,
    tags: artifact.tags,
    metadata: artifact.metadata,
    aliases: artifact.aliases,
    deleted: artifact.deleted,
  };
}

/** `iris/model:3 created on 2026-11-24 10:00:00.123`. */
export function artifactLine({ ref, createdAt }: Pick<Artifact, "ref" | "createdAt">): string {
  return `${printable(ref)} created on ${timeText(createdAt)}`;
}

/** `2026-11-24 10:00:00.123`, in UTC: the same on every machine. */
export function timeText(time: Date): string {
  return time.toISOString().replace("T", " ").replace("Z", "");
}

/** `1 segment`, `2 segments`. */
export function countText(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? "" : "s"}`;
}

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** `917 bytes`, `1.4 MiB`. */
export function sizeText(bytes: number): string {
  if (bytes === 1) return "1 byte";
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), UNITS.length - 1);
  return `${power === 0 ? bytes : (bytes / 1024 ** power).toFixed(1)} ${UNITS[power]}`;
}

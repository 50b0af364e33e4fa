/** What differs between the values of two artifacts. */

import type { Artifact, CallOptions } from "../../engine/main.ts";
import { directoryOf, isDirectory } from "../directory.ts";
import { isPrintable } from "../printable.ts";
import { isStructured } from "../structured.ts";
import { type Changes, changesBetween } from "./changes.ts";
import { directoryChanges } from "./directory.ts";
import { type LineDifference, lineDifference } from "./lines.ts";

/** Larger values are told by size and digest: both must be held in memory. */
const STRUCTURED_BYTES_MAX = 64 * 1024 ** 2;
const TEXT_BYTES_MAX = 4 * 1024 ** 2;

interface Whole {
  readonly size: number;
  readonly digest: string;
}

export type ValueDifference =
  | ({ readonly kind: "structure" } & Changes)
  | ({ readonly kind: "directory" } & Changes)
  | ({ readonly kind: "text" } & LineDifference)
  | { readonly kind: "bytes"; readonly from: Whole; readonly to: Whole };

/** Undefined when the values are equal. */
export async function valueDifference(
  from: Artifact,
  to: Artifact,
  call: CallOptions,
): Promise<ValueDifference | undefined> {
  if (from.digest === to.digest && isStructured(from) === isStructured(to)) return undefined;
  if (isDirectory(from) && isDirectory(to)) {
    const changes = await directoryChanges(await directoryOf(from, call), await directoryOf(to, call), call);
    return { kind: "directory", ...changes };
  }
  const difference =
    isStructured(from) && isStructured(to)
      ? await structuredDifference(from, to, call)
      : await textDifference(from, to, call);
  return difference ?? { kind: "bytes", from: wholeOf(from), to: wholeOf(to) };
}

function wholeOf({ size, digest }: Artifact): Whole {
  return { size, digest };
}

function isTooLarge(from: Artifact, to: Artifact, bytesMax: number): boolean {
  return Math.max(from.size, to.size) > bytesMax;
}

async function structuredDifference(
  from: Artifact,
  to: Artifact,
  call: CallOptions,
): Promise<ValueDifference | undefined> {
  if (isTooLarge(from, to, STRUCTURED_BYTES_MAX)) return undefined;
  const [a, b] = [await from.value(call), await to.value(call)];
  // Bytes that were saved under the media type of structured values.
  if (a instanceof Uint8Array && b instanceof Uint8Array) return textDifference(from, to, call);
  if (isLines(a) && isLines(b)) return { kind: "text", ...lineDifference(a, b) };
  const changes = changesBetween(a, b, "value", { keyOrder: true });
  // Values that differ only in the order of something within a Map or Set.
  return changes.count > 0 ? { kind: "structure", ...changes } : undefined;
}

function isLines(value: unknown): value is string {
  return typeof value === "string" && value.includes("\n") && value.length <= TEXT_BYTES_MAX;
}

/** Bytes that are text are compared by lines. */
async function textDifference(
  from: Artifact,
  to: Artifact,
  call: CallOptions,
): Promise<ValueDifference | undefined> {
  if (isDirectory(from) || isDirectory(to)) return undefined;
  if (isStructured(from) !== isStructured(to) || isTooLarge(from, to, TEXT_BYTES_MAX)) return undefined;
  const [a, b] = [await textOf(from, call), await textOf(to, call)];
  return a === undefined || b === undefined ? undefined : { kind: "text", ...lineDifference(a, b) };
}

/** Undefined for bytes that are no text. */
async function textOf(artifact: Artifact, call: CallOptions): Promise<string | undefined> {
  try {
    const bytes = await artifact.bytes(undefined, call);
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return isPrintable(text) ? text : undefined;
  } catch (error) {
    if ((error as { code?: string }).code === "ERR_ENCODING_INVALID_ENCODED_DATA") return undefined;
    throw error;
  }
}

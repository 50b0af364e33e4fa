import type { Annotation, Json, JsonObject } from "./api.ts";
import { printed } from "./argument.ts";
import { VarveError } from "./errors.ts";

/** Tags and metadata as users give them: checked, and copied at the call. */

const TAG_BYTES_MAX = 4096;
const METADATA_DEPTH_MAX = 100;

/** @throws INVALID_ARGUMENT */
export function copyTags(tags: unknown): Record<string, string> | undefined {
  return copyTagChanges(tags, false) as Record<string, string> | undefined;
}

/** Tags to set, and (as null) to remove. */
export function copyTagChanges(tags: unknown, removing = true): Record<string, string | null> | undefined {
  if (tags === undefined) return undefined;
  const entries = Object.entries(checkedObject(tags, "tags"));
  for (const [key, value] of entries) {
    if (removing && value === null) continue;
    const sound = key !== "" && key.isWellFormed() && typeof value === "string" && value.isWellFormed();
    if (sound && Buffer.byteLength(key) + Buffer.byteLength(value) <= TAG_BYTES_MAX) continue;
    throw new VarveError("INVALID_ARGUMENT", `not a tag: ${JSON.stringify(key)}: ${printed(value)}`, {
      hint: `a tag has a key and a text, together at most ${TAG_BYTES_MAX} bytes, such as { stage: "dev" }`,
    });
  }
  return entries.length > 0 ? (Object.fromEntries(entries) as Record<string, string | null>) : undefined;
}

/** @throws INVALID_ARGUMENT with the path of what is not JSON. */
export function copyMetadata(metadata: unknown): JsonObject | undefined {
  if (metadata === undefined) return undefined;
  const copy = copyJson(checkedObject(metadata, "metadata"), "metadata", 0) as JsonObject;
  return Object.keys(copy).length > 0 ? copy : undefined;
}

/** The changes of an annotation, checked and copied at the call. */
export function takeAnnotation(annotation: Annotation): Annotation {
  if (typeof annotation !== "object" || annotation === null) {
    throw new VarveError("INVALID_ARGUMENT", "an annotation must be an object", {
      hint: 'for example { tags: { stage: "live" } }',
    });
  }
  const tags = copyTagChanges(annotation.tags);
  const metadata = copyMetadata(annotation.metadata) as JsonObject | undefined;
  return { ...(tags && { tags }), ...(metadata && { metadata }) };
}

function copyJson(value: unknown, path: string, depth: number): Json {
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (depth >= METADATA_DEPTH_MAX) throw notJson(path, "is nested too deeply");
  if (Array.isArray(value)) return Array.from(value, (item, i) => copyJson(item, `${path}[${i}]`, depth + 1));
  if (isPlainObject(value)) {
    const entries = Object.entries(value).map(
      ([key, item]) => [key, copyJson(item, `${path}.${key}`, depth + 1)] as const,
    );
    return Object.fromEntries(entries);
  }
  throw notJson(path, `is ${printed(value)}`);
}

function checkedObject(value: unknown, what: string): object {
  if (isPlainObject(value)) return value;
  throw new VarveError("INVALID_ARGUMENT", `${what} must be a plain object`, {
    hint: `for example ${what}: { key: "value" }`,
  });
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function notJson(path: string, why: string): VarveError {
  return new VarveError("INVALID_ARGUMENT", `${path} ${why}, which JSON can't hold`, {
    hint: "metadata is JSON: null, booleans, finite numbers, strings, arrays and plain objects; put other things into the value",
    details: { path },
  });
}

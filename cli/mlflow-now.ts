/** What MLflow says of an artifact now, where it says it soon. */

import type { Artifact, ArtifactStore, CallOptions, Json, JsonObject } from "../engine/main.ts";
import type { ErrorDocument } from "./failure.ts";

const WAIT_MILLISECONDS_MAX = 3_000;

export type MlflowNow = JsonObject | { error: ErrorDocument };

/** Undefined of what Varve keeps. Whoever asks for facts gets those of the store whatever MLflow does. */
export async function mlflowNow(
  store: ArtifactStore,
  { backend, ref }: Artifact,
  call: CallOptions,
): Promise<MlflowNow | undefined> {
  if (backend !== "mlflow") return undefined;
  const late = AbortSignal.timeout(WAIT_MILLISECONDS_MAX);
  const signal = call.signal ? AbortSignal.any([call.signal, late]) : late;
  try {
    return await store.describeMlflow(ref, { signal });
  } catch (error) {
    call.signal?.throwIfAborted();
    if (late.aborted)
      return {
        error: { code: "UNAVAILABLE", message: `no answer within ${WAIT_MILLISECONDS_MAX / 1000} s` },
      };
    const { code, message, hint, name } = error as ErrorDocument & { name?: string };
    if (name !== "VarveError") throw error;
    return { error: { code, message, ...(hint !== undefined && { hint }) } };
  }
}

/** In one line. */
export function mlflowNowText(now: MlflowNow): string {
  if ("error" in now && isError(now.error)) {
    const { code, message } = now.error;
    return code === "NOT_FOUND" ? message : `not known: ${message}`;
  }
  const { version, model, run } = now as Record<string, JsonObject | undefined>;
  const status = [model?.status ?? run?.status].filter((each) => typeof each === "string");
  const aliases = Array.isArray(version?.aliases) ? version.aliases : [];
  return [
    ...status.map((text) => text.toLowerCase()),
    ...listed("alias", aliases.map(String)),
    ...listed("tag", pairsOf(version?.tags ?? model?.tags)),
    ...listed("parameter", pairsOf(model?.params ?? run?.params)),
  ].join(", ");
}

function isError(value: unknown): value is ErrorDocument {
  return typeof (value as ErrorDocument | undefined)?.message === "string";
}

function listed(thing: string, texts: readonly string[]): string[] {
  const things = thing.endsWith("s") ? `${thing}es` : `${thing}s`;
  return texts.length === 0 ? [] : [`${texts.length === 1 ? thing : things} ${texts.join(" ")}`];
}

/** Without those that are there for programs. */
function pairsOf(tags: Json | undefined): string[] {
  if (typeof tags !== "object" || tags === null) return [];
  return Object.entries(tags)
    .filter(([key]) => !/^(varve|mlflow)\./.test(key))
    .map(([key, value]) => `${key}=${value}`);
}

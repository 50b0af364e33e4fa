import type { BackendPlace, MlflowFacts } from "../../engine/main.ts";
import { VarveError } from "../../engine/main.ts";

/** What finds a model again: what is told of it, and what only this adapter needs. */
export interface MlflowPlace extends MlflowFacts {
  /** Where the files are, for what is to be removed when MLflow does not know the model any more. */
  artifactUri?: string;
  /** `sha256:…` of the value, where the store has put it there. */
  digest?: string;
  /** Of a value that is one file: its path in the model. */
  file?: string;
  /** What an interrupted save or removal has left. */
  remnant?: true;
}

/** @throws CORRUPTION for what was not written by this adapter */
export function placeOf(place: BackendPlace): MlflowPlace {
  const { trackingUri, modelUri } = place;
  if (typeof trackingUri === "string" && typeof modelUri === "string") return place as unknown as MlflowPlace;
  throw new VarveError("CORRUPTION", "what is kept of a model does not say where in MLflow it is", {
    hint: "`varve verify` tells which artifacts are damaged",
  });
}

export function rowOf(place: MlflowPlace): BackendPlace {
  return { ...place } as BackendPlace;
}

export function gone(place: MlflowPlace, what = place.modelUri): VarveError {
  return new VarveError("NOT_FOUND", `${what} is not in MLflow any more`, {
    hint: `it was removed there, at ${place.registryUri ?? place.trackingUri}, without the store; a copy of it can be saved again`,
    details: { modelUri: place.modelUri, trackingUri: place.trackingUri },
  });
}

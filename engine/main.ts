/** The public API of the package `varve`. */
export type * from "./api.ts";
// For adapters.
export { CallGuard } from "./call-guard.ts";
export { piecesOf } from "./chunk/source.ts";
export { loadConfig } from "./config.ts";
/** What a store of metadata needs, so that all of them order and refuse alike, in the same words. */
export { compareBytes as compareNames } from "./directory/entry.ts";
export type { VarveErrorCode, VarveErrorOptions } from "./errors.ts";
export { fromSystemError, readOnlyError, throwIfAborted, VarveError } from "./errors.ts";
export { openStore } from "./open-store.ts";
export { operationState } from "./operation-state.ts";
export type * from "./ports/blob-store.ts";
export type * from "./ports/metadata-store.ts";
export type * from "./ports/places.ts";
export type * from "./ports/storage-backend.ts";
export type { ParsedRef } from "./ref.ts";
export { refOf, refText, VERSION_MAX } from "./ref.ts";
export type { Remains } from "./refusals.ts";
export {
  behindHorizon,
  checkNewVersion,
  compactedAway,
  hasAliases,
  noSuchArtifact,
  noSuchPlace,
  otherLatest,
  standsForMany,
} from "./refusals.ts";
export { openSessionWith } from "./session.ts";

/** The public API of the package `varve`. */
export type * from "./api.ts";
export { loadConfig } from "./config.ts";
export type { VarveErrorCode, VarveErrorOptions } from "./errors.ts";
export { VarveError } from "./errors.ts";
export { openStore } from "./open-store.ts";

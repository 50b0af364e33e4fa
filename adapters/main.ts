/** The package `varve`: the engine, and the places other than the home folder that a store may keep things in. */

import type { ArtifactStore, Session, StoreOptions } from "../engine/main.ts";
import { openStore as openIn, openSessionWith } from "../engine/main.ts";
import { places } from "./places.ts";

export type * from "../engine/api.ts";
export type { VarveErrorCode, VarveErrorOptions } from "../engine/main.ts";
export { loadConfig, VarveError } from "../engine/main.ts";

/**
 * Opens the store in `home`, making it when there is none. `config.json` in the home is read, and options given here
 * win over it. Without any options it is `openStore(await loadConfig())`, which asks the environment too.
 *
 * @throws CONFIG for a bad configuration, also where database and values are those of two stores; NOT_FOUND for a missing
 * store that is not to be made; MISSING_DRIVER that names the package to install; UNAVAILABLE when a lock or a
 * server can't be had in time; UNAUTHORIZED; NOT_SUPPORTED for a newer format, a network file system, or another PID namespace.
 */
export function openStore(options?: StoreOptions): Promise<ArtifactStore> {
  return openIn(options, places);
}

/**
 * A store whose places can be changed while it is used, for interactive work: `session.store` is always the current one, and
 * `session.options.set("database_url", "postgresql://…")` goes over to another. What is not given is taken from the
 * environment, the configuration file and the defaults.
 */
export function openSession(options?: StoreOptions): Promise<Session> {
  return openSessionWith((given, adjusts) => openIn(given, places, adjusts), options);
}

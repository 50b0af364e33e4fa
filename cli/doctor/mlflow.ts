/** Checks of the MLflow server that keeps models. */

import type { StoreOptions } from "../../engine/main.ts";
import { loadChecks } from "../library.ts";
import type { Finding } from "./finding.ts";
import { failed, ok } from "./finding.ts";

/** For all of it: a server that is this slow is as good as none. */
const WAIT_MILLISECONDS_MAX = 20_000;

/** Nothing where none is configured. */
export async function* checkModels(config: StoreOptions, signal: AbortSignal): AsyncGenerator<Finding> {
  const { mlflowTrackingUri: trackingUri, mlflowRegistryUri: registryUri } = config;
  if (trackingUri === undefined) return;
  const late = AbortSignal.timeout(WAIT_MILLISECONDS_MAX);
  const settings = { trackingUri, ...(registryUri !== undefined && { registryUri }) };
  try {
    const { checkMlflow } = await loadChecks();
    for await (const text of checkMlflow(settings, { signal: AbortSignal.any([signal, late]) }))
      yield ok("mlflow", text);
    const { defaultMlModelsStorageBackend: backend = "mlflow" } = config;
    yield ok("mlflow", `models are kept by ${backend}, unless a save says otherwise`);
  } catch (error) {
    signal.throwIfAborted();
    yield failed("mlflow", late.aborted ? tooLate() : error);
  }
}

function tooLate(): Error {
  const text = `there was no answer within ${WAIT_MILLISECONDS_MAX / 1000} s`;
  const hint = "look at the server, and at the proxies before it";
  return Object.assign(new Error(text), { code: "UNAVAILABLE", hint });
}

/** What `varve doctor` asks of servers. */

import type { BackendSettings, CallOptions } from "../engine/main.ts";

/** One line for each that is well. @throws the first thing that is not */
export async function* checkMlflow(settings: BackendSettings, options?: CallOptions): AsyncGenerator<string> {
  const { checkServer } = await import("./mlflow/check.ts");
  yield* checkServer(settings, options);
}

/** Configuration as it may be printed. */

import type { Json } from "../engine/main.ts";
import { loadConfiguration } from "./library.ts";

export async function withoutSecrets(value: Json | undefined): Promise<Json | undefined> {
  return (await loadConfiguration()).withoutSecrets(value);
}

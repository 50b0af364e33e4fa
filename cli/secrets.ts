/** Configuration as it may be printed. */

import type { Json } from "../engine/main.ts";
import { loadConfiguration } from "./library.ts";

/** Without the credentials in URLs, and without the values of keys that are named like a secret. */
export async function withoutSecrets(value: Json | undefined): Promise<Json | undefined> {
  const { redactUrl, SECRET_NAME } = await loadConfiguration();
  const redact = (part: Json): Json => {
    if (typeof part === "string") return redactUrl(part);
    if (typeof part !== "object" || part === null) return part;
    if (Array.isArray(part)) return part.map(redact);
    const entries = Object.entries(part).map(([key, inner]) => [
      key,
      SECRET_NAME.test(key) ? "***" : redact(inner),
    ]);
    return Object.fromEntries(entries) as Json;
  };
  return value === undefined ? undefined : redact(value);
}

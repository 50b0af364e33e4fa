/** What must not be printed or logged. */

import type { Json } from "./api.ts";

/** Names of query values and storage options whose values are secrets. */
export const SECRET_NAME = /pass|pwd|secret|token|key|credential|signature|^sig$/i;

/** Everything up to the last `@` goes: a password that was not escaped may itself hold `/`, `?` or `@`. */
function withoutUser(scheme: string, rest: string): string {
  const first = rest.split(/[/?#]/, 1)[0]!;
  const plainHost = /^(\[[^\]]*\]|[^:@]*)(:\d*)?$/.test(first);
  if (plainHost || !rest.includes("@")) return scheme + rest;
  return `${scheme}***@${rest.slice(rest.lastIndexOf("@") + 1)}`;
}

/** `text` with the credentials of every URL in it replaced by `***`: the user part, and query values that are named like a secret. */
export function redactUrl(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/)(\S+)/gi, (_, scheme: string, rest: string) =>
    withoutUser(scheme, rest).replace(/([?&])([^=&#]+)=([^&#]*)/g, (pair, mark: string, name: string) =>
      SECRET_NAME.test(name) ? `${mark}${name}=***` : pair,
    ),
  );
}

/** Configuration as it may be printed: without the credentials in URLs, and the values of keys that are named like a secret. */
export function withoutSecrets(value: Json | undefined): Json | undefined {
  if (typeof value === "string") return redactUrl(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((part) => withoutSecrets(part)!);
  const entries = Object.entries(value).map(([key, inner]) => [
    key,
    SECRET_NAME.test(key) ? "***" : withoutSecrets(inner),
  ]);
  return Object.fromEntries(entries) as Json;
}

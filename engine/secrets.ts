/** What must not be printed or logged. */

import type { Json } from "./api.ts";

/** Names of query values and storage options whose values are secrets. */
export const SECRET_NAME = /pass|pwd|secret|token|key|credential|signature|^sig$/i;

/** A URL, to the first space; to the last `@` of the line where it has a user and what is no port, and so a password with spaces. */
const URLS = /([a-z][a-z0-9+.-]*:\/\/)([^\s:@/?#"[]*:(?=[^\s@/?#"]*[^\s@/?#"\d])[^@"\n]*@\S*|\S+)/gi;

/**
 * Everything up to the last `@` goes: a password that was not escaped may itself hold `/`, `?` or `@`. So does what may be
 * a host with a port, but also a user with the digits that a password begins with.
 */
function withoutUser(scheme: string, rest: string): string {
  const first = rest.split(/[/?#]/, 1)[0]!;
  const isHost = /^(\[[^\]]*\](:\d*)?|[^:@]*)$/.test(first);
  if (isHost || !rest.includes("@")) return scheme + rest;
  return `${scheme}***@${rest.slice(rest.lastIndexOf("@") + 1)}`;
}

function redacted(scheme: string, rest: string): string {
  return withoutUser(scheme, rest).replace(/([?&])([^=&#]+)=([^&#]*)/g, (pair, mark: string, name: string) =>
    SECRET_NAME.test(name) ? `${mark}${name}=***` : pair,
  );
}

/** `text` with the credentials of every URL in it replaced by `***`: the user part, and query values that are named like a secret. */
export function redactUrl(text: string): string {
  return text.replace(URLS, (_, scheme: string, rest: string) => redacted(scheme, rest));
}

/** Configuration as it may be printed: without the credentials in URLs, and the values of keys that are named like a secret. */
export function withoutSecrets(value: Json | undefined): Json | undefined {
  if (typeof value === "string") return withoutUrlSecrets(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((part) => withoutSecrets(part)!);
  const entries = Object.entries(value).map(([key, inner]) => [
    key,
    SECRET_NAME.test(key) ? "***" : withoutSecrets(inner),
  ]);
  return Object.fromEntries(entries) as Json;
}

/** One that begins as a URL is nothing else, to its end. */
function withoutUrlSecrets(text: string): string {
  const [, scheme, rest] = /^\s*([a-z][a-z0-9+.-]*:\/\/)(.*)$/is.exec(text) ?? [];
  return scheme === undefined ? redactUrl(text) : redacted(scheme, rest!);
}

import { VarveError } from "../../engine/main.ts";
import { basic } from "./environment.ts";

/** Where a server is. */
export interface Location {
  /** Without credentials, and without `/` at the end: what paths are put behind. */
  uri: string;
  /** Scheme, host and port. */
  origin: string;
  /** The header for the credentials that stood in the URI. */
  authorization?: string;
}

const HINTS: [RegExp, string][] = [
  [
    /^(databricks|uc|databricks-uc)(:|$)/,
    "Databricks has its own way of signing in, which is not supported: name an MLflow server",
  ],
  [
    /^(sqlite|postgresql|mysql|mssql)(\+[a-z0-9]+)?:/,
    "that is the database of a server: start `mlflow server` on it, and name its URL",
  ],
  [/^(file:|\/|\.|[^:]*$)/, "a folder has no server: start `mlflow server`, and name its URL"],
];

/**
 * @param item what is named where it is no URL of a server
 * @throws CONFIG, without repeating the URI: it may hold a password
 */
export function parseLocation(uri: string, item: string): Location {
  const trimmed = uri.trim();
  let parsed: URL | undefined;
  try {
    parsed = new URL(trimmed);
  } catch {}
  if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.search || parsed.hash) {
    const hint =
      HINTS.find(([text]) => text.test(trimmed))?.[1] ??
      "it begins with http:// or https://, and has no ? and no #";
    throw new VarveError("CONFIG", `${item} is not the URL of an MLflow server`, { hint, details: { item } });
  }
  return {
    uri: `${parsed.origin}${parsed.pathname.replace(/\/+$/, "")}`,
    origin: parsed.origin,
    ...(parsed.username && {
      authorization: basic(decoded(parsed.username, item), decoded(parsed.password, item)),
    }),
  };
}

function decoded(text: string, item: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw new VarveError("CONFIG", `${item} has a % in its user or password that stands for nothing`, {
      hint: "write %25 for it",
      details: { item },
      cause: error,
    });
  }
}

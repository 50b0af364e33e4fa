import { VarveError } from "../../engine/main.ts";
import type { Location } from "./location.ts";

/** How to come to a folder of artifacts: through a server of MLflow, or not at all. */
export interface ArtifactRoute {
  /** Of the server, as in `Location`. */
  uri: string;
  origin: string;
  /** From the root of its artifacts on; no `/` at either end. */
  path: string;
}

const SERVICE = "/api/2.0/mlflow-artifacts/artifacts";
/** `mlflow-artifacts:/path`, and with the host of another server. */
const PROXIED = /^mlflow-artifacts:(?:\/\/([^/]*))?\/*(.*)$/s;
const ELSEWHERE = /^([a-z][a-z0-9+.-]+):/i;

/** @throws NOT_SUPPORTED */
export function artifactRoute(uri: string, tracking: Location): ArtifactRoute {
  const [, host, rest] = PROXIED.exec(uri) ?? [];
  if (rest !== undefined) {
    const own = new URL(tracking.uri);
    const server = host ? serverAt(`${own.protocol}//${host}${own.pathname}`) : undefined;
    return { ...(server ?? tracking), path: pathIn(rest) };
  }
  const at = /^https?:\/\//i.test(uri) ? uri.indexOf(SERVICE) : -1;
  if (at >= 0) return { ...serverAt(uri.slice(0, at)), path: pathIn(uri.slice(at + SERVICE.length)) };
  const scheme = ELSEWHERE.exec(uri)?.[1];
  const where = scheme && scheme !== "file" ? `${scheme}:` : "a folder of the server";
  throw new VarveError(
    "NOT_SUPPORTED",
    `MLflow keeps artifacts of this experiment at ${where}, past its server`,
    {
      hint: "use an experiment whose artifacts go through the server: made by one that runs without --no-serve-artifacts and --default-artifact-root",
      details: { scheme: scheme ?? "" },
    },
  );
}

/** Names, each escaped, so that none of them leads elsewhere. @throws INVALID_ARGUMENT */
export function escapedPath(...parts: string[]): string {
  const names = parts.flatMap((part) => (part === "" ? [] : part.split("/")));
  const wrong = names.find((name) => name === "" || name === "." || name === ".." || /[\\\0#]/.test(name));
  if (wrong === undefined) return names.map(encodeURIComponent).join("/");
  throw new VarveError(
    "INVALID_ARGUMENT",
    `MLflow can't keep a file of the name ${JSON.stringify(names.join("/"))}`,
    {
      hint: "use names of letters, digits, dots, - and _",
    },
  );
}

/** The server may have named anything. */
function serverAt(uri: string): Pick<ArtifactRoute, "uri" | "origin"> {
  if (!URL.canParse(uri)) throw noLocation("a server that has no such URL");
  const { origin, pathname } = new URL(uri);
  return { uri: `${origin}${pathname.replace(/\/+$/, "")}`, origin };
}

/** The root holds everything of everybody, so that it is no folder to be written to or removed. */
function pathIn(rest: string): string {
  const names = rest.split("/").filter(Boolean);
  if (names.some((name) => name === "." || name === "..")) throw noLocation("a way out of its artifacts");
  if (names.length > 0) return names.join("/");
  throw noLocation("the root of its artifacts");
}

function noLocation(what: string): VarveError {
  return new VarveError("NOT_SUPPORTED", `MLflow names ${what} for a model`, {
    hint: "look at the artifact location of the experiment in MLflow",
  });
}

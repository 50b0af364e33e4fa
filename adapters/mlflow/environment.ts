import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { VarveError } from "../../engine/main.ts";

/** How MLflow's own variables say that its server is to be asked. */

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Access {
  /** The whole header, where there are credentials. */
  authorization?: string;
  workspace?: string;
  tls: Tls;
  patience: Patience;
  multipart: Multipart;
}

/** Files that go to the storage behind the server in parts, and come from there, where it offers that. */
export interface Multipart {
  /** `undefined`: as the server says. */
  uploads: boolean | undefined;
  downloads: boolean | undefined;
  /** Bytes. */
  fileSizeMin: number;
  partSize: number;
}

export interface Tls {
  isUnchecked: boolean;
  /** PEM. */
  authorities?: string;
  /** PEM of a certificate and its key. */
  own?: string;
}

/** Times are milliseconds. */
export interface Patience {
  /** In which nothing comes and nothing goes. */
  silenceMax: number;
  retriesMax: number;
  /** Of a server that takes no connection. */
  refusedRetriesMax: number;
  /** The wait doubles with each retry, from this on. */
  backoff: number;
  /** At most so much is added to each. */
  jitter: number;
  obeysRetryAfter: boolean;
}

/** MLflow's own defaults. */
const SILENCE_SECONDS = 120;
const RETRIES = 7;
/** MLflow waits 4 minutes in all before it fails, where these wait half a minute: people look at what is saved here. */
const BACKOFF_SECONDS = 0.25;
const JITTER_SECONDS = 0.25;
/** 8 s in all: a server that is started again is waited for, and one that is not there is soon told. */
const REFUSED_RETRIES = 5;
const MIB = 1024 * 1024;
/** As MLflow has it. */
const RETRIES_LIMIT = 9;

/** Ways of signing in that are Python plugins, or need a signature of each request. */
const NOT_HERE: Record<string, string> = {
  MLFLOW_TRACKING_AUTH: "Python plugins for signing in can't be used here",
  MLFLOW_TRACKING_AWS_SIGV4: "requests are not signed for AWS here",
};

/**
 * Read at once, so that a client does not change while it is used.
 * @throws CONFIG
 */
export async function readAccess(environment: Environment): Promise<Access> {
  for (const [name, why] of Object.entries(NOT_HERE)) {
    const isSet = name === "MLFLOW_TRACKING_AWS_SIGV4" ? flag(environment, name, false) : environment[name];
    if (!isSet) continue;
    throw wrong(
      name,
      why,
      "sign in with MLFLOW_TRACKING_USERNAME and _PASSWORD, or with MLFLOW_TRACKING_TOKEN",
    );
  }
  const authorization = await authorizationOf(environment);
  const workspace = environment.MLFLOW_WORKSPACE;
  return {
    ...(authorization && { authorization }),
    ...(workspace && { workspace: inHeader(workspace, "MLFLOW_WORKSPACE") }),
    tls: await readTls(environment),
    patience: readPatience(environment),
    multipart: {
      uploads: choice(environment, "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"),
      downloads: choice(environment, "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD"),
      fileSizeMin: count(environment, "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", 500 * MIB, 0, 2 ** 50),
      partSize: count(environment, "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", 10 * MIB, 1, 2 ** 30),
    },
  };
}

function readPatience(environment: Environment): Patience {
  const seconds = (name: string, byDefault: number, least: number, most: number) =>
    1000 * count(environment, name, byDefault, least, most);
  const retries = (byDefault: number) =>
    Math.floor(count(environment, "MLFLOW_HTTP_REQUEST_MAX_RETRIES", byDefault, 0, RETRIES_LIMIT));
  return {
    silenceMax: seconds("MLFLOW_HTTP_REQUEST_TIMEOUT", SILENCE_SECONDS, 1, 86_400),
    retriesMax: retries(RETRIES),
    refusedRetriesMax: retries(REFUSED_RETRIES),
    backoff: seconds("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", BACKOFF_SECONDS, 0, 120),
    jitter: seconds("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", JITTER_SECONDS, 0, 120),
    obeysRetryAfter: flag(environment, "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER", true),
  };
}

/** A header of HTTP's basic kind. */
export function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

/** User and password go before a token, as they do in MLflow. */
async function authorizationOf(environment: Environment): Promise<string | undefined> {
  const file = await credentialsFile(environment);
  const user = environment.MLFLOW_TRACKING_USERNAME || file.mlflow_tracking_username;
  const password = environment.MLFLOW_TRACKING_PASSWORD || file.mlflow_tracking_password;
  if (user && password) return basic(user, password);
  const token = environment.MLFLOW_TRACKING_TOKEN;
  return token ? `Bearer ${inHeader(token, "MLFLOW_TRACKING_TOKEN")}` : undefined;
}

/** The section [mlflow] of `~/.mlflow/credentials`. */
async function credentialsFile(environment: Environment): Promise<Record<string, string>> {
  const path = join(environment.HOME || homedir(), ".mlflow", "credentials");
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return {};
    throw wrong(
      path,
      `can't be read (${code})`,
      "let this user read the file, or set MLflow's variables",
      error,
    );
  }
  const found: Record<string, string> = {};
  let section = "";
  for (const line of text.split(/\r?\n/)) {
    section = /^\s*\[(.*)\]\s*$/.exec(line)?.[1] ?? section;
    const [, key, value] = /^([^#;=:\s][^=:]*?)\s*[=:]\s*(.*?)\s*$/.exec(line) ?? [];
    if (section === "mlflow" && key) found[key.toLowerCase()] = value!;
  }
  return found;
}

async function readTls(environment: Environment): Promise<Tls> {
  const isUnchecked = flag(environment, "MLFLOW_TRACKING_INSECURE_TLS", false);
  const authorities = environment.MLFLOW_TRACKING_SERVER_CERT_PATH;
  if (isUnchecked && authorities) {
    throw wrong(
      "MLFLOW_TRACKING_SERVER_CERT_PATH",
      "is set, and MLFLOW_TRACKING_INSECURE_TLS is too",
      "unset MLFLOW_TRACKING_INSECURE_TLS: then the server is checked",
    );
  }
  const own = environment.MLFLOW_TRACKING_CLIENT_CERT_PATH;
  return {
    isUnchecked,
    ...(authorities && { authorities: await pem(authorities, "MLFLOW_TRACKING_SERVER_CERT_PATH") }),
    ...(own && { own: await pem(own, "MLFLOW_TRACKING_CLIENT_CERT_PATH") }),
  };
}

async function pem(path: string, name: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw wrong(name, `names a file that can't be read: ${path}`, "name a file of certificates (PEM)", error);
  }
  if (text.includes("-----BEGIN ")) return text;
  throw wrong(name, `names a file that is no PEM: ${path}`, "name a file of certificates (PEM)");
}

function flag(environment: Environment, name: string, byDefault: boolean): boolean {
  return choice(environment, name) ?? byDefault;
}

function choice(environment: Environment, name: string): boolean | undefined {
  const text = environment[name];
  if (!text) return undefined;
  if (/^(true|1)$/i.test(text)) return true;
  if (/^(false|0)$/i.test(text)) return false;
  throw wrong(name, `is ${JSON.stringify(text)}`, "set it to true or false");
}

function count(
  environment: Environment,
  name: string,
  byDefault: number,
  least: number,
  most: number,
): number {
  const text = environment[name];
  if (!text) return byDefault;
  const value = Number(text);
  if (value >= least && value <= most) return value;
  throw wrong(name, `is ${JSON.stringify(text)}`, `set it to a number from ${least} to ${most}`);
}

/** What is secret is not told. */
function inHeader(text: string, name: string): string {
  if (/^[\x20-\x7e]+$/.test(text)) return text;
  throw wrong(
    name,
    "has characters that can't stand in a header of HTTP",
    "look for a line break at its end",
  );
}

function wrong(item: string, what: string, hint: string, cause?: unknown): VarveError {
  return new VarveError("CONFIG", `${item}: ${what}`, {
    hint,
    details: { item },
    ...(cause !== undefined && { cause }),
  });
}

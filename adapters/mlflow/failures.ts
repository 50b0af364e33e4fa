import { VarveError, type VarveErrorCode } from "../../engine/main.ts";
import { ExchangeError, type HttpAnswer } from "./http.ts";

/** What went wrong between us and a server, in the words of Varve. */
export interface Failure {
  error: VarveError;
  /** Another try may be a success. */
  isTransient: boolean;
  /** The server takes no connections: it can't have done anything. */
  isRefused?: boolean;
  /** Milliseconds that the server wants to be left alone. */
  retryAfter?: number;
}

/** Of MLflow's errors, which say more than the status of HTTP. */
const CODES: Record<string, VarveErrorCode> = {
  RESOURCE_DOES_NOT_EXIST: "NOT_FOUND",
  NOT_FOUND: "NOT_FOUND",
  INVALID_PARAMETER_VALUE: "INVALID_ARGUMENT",
  MALFORMED_REQUEST: "INVALID_ARGUMENT",
  BAD_REQUEST: "INVALID_ARGUMENT",
  RESOURCE_ALREADY_EXISTS: "CONFLICT",
  ALREADY_EXISTS: "CONFLICT",
  RESOURCE_CONFLICT: "CONFLICT",
  ABORTED: "CONFLICT",
  UNAUTHENTICATED: "UNAUTHORIZED",
  CUSTOMER_UNAUTHORIZED: "UNAUTHORIZED",
  PERMISSION_DENIED: "UNAUTHORIZED",
  NOT_IMPLEMENTED: "NOT_SUPPORTED",
  ENDPOINT_NOT_FOUND: "CONFIG",
};
const STATUSES: Record<number, VarveErrorCode> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHORIZED",
  403: "UNAUTHORIZED",
  404: "CONFIG",
  405: "CONFIG",
  409: "CONFLICT",
  413: "NOT_SUPPORTED",
  501: "NOT_SUPPORTED",
};
const TRANSIENT_STATUSES = new Set([408, 429, 500, 502, 503, 504]);
const REFUSED = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);
const OTHER_PROTOCOL = /^(EPROTO|ERR_SSL_|HPE_)/;
const UNTRUSTED = /^(DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|CERT_|ERR_TLS_CERT_)/;
const MESSAGE_LENGTH_MAX = 500;

const IS_IT_MLFLOW =
  "is this the URL of an MLflow server, with the path that it is behind? MLflow 3 is needed";
const HINTS: Partial<Record<VarveErrorCode, string>> = {
  UNAUTHORIZED:
    "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, of a user who may do this",
  CONFIG: IS_IT_MLFLOW,
  UNAVAILABLE: "look at the server and the proxies before it, and call again",
  NOT_FOUND: "look for it in MLflow: it may have been removed there",
  INVALID_ARGUMENT: "MLflow says what it does not take: give something else",
  CONFLICT: "look at what MLflow has under this name",
  NOT_SUPPORTED: "the server can't do this: a newer MLflow may",
};

const NOT_TRUSTED =
  "the tracking server sends here, and credentials go only to the servers that are configured: let it pass the files on itself";

/** Texts that say what a status does not. */
const SAID: { status: number; text: RegExp; code: VarveErrorCode; hint: string }[] = [
  {
    status: 403,
    text: /invalid host header/i,
    code: "CONFIG",
    hint: "start the server with --allowed-hosts and the host of this URL, with its port",
  },
  {
    status: 503,
    text: /artifact serving|serve-artifacts/i,
    code: "CONFIG",
    hint: "start the server without --no-serve-artifacts: models go through it",
  },
  {
    status: 409,
    text: /presigned/i,
    code: "NOT_SUPPORTED",
    hint: "the server takes files only through its storage: start it without --artifacts-only-presigned",
  },
];

/** @param at for people: without credentials */
export function exchangeFailure(error: unknown, at: string): Failure {
  if (!(error instanceof ExchangeError)) throw error;
  const { code } = error;
  const made = (kind: VarveErrorCode, text: string, hint: string) =>
    new VarveError(kind, `${text} (${code})`, { hint, cause: error, details: { uri: at } });
  if (OTHER_PROTOCOL.test(code)) {
    const hint = "does the URL begin with https:// although the server speaks http, or the other way round?";
    return {
      error: made("CONFIG", `${at} does not speak the protocol of its URL`, hint),
      isTransient: false,
    };
  }
  if (UNTRUSTED.test(code)) {
    const hint = "MLFLOW_TRACKING_SERVER_CERT_PATH names the certificates (PEM) that are to be trusted";
    return { error: made("CONFIG", `the certificate of ${at} is not trusted`, hint), isTransient: false };
  }
  const isRefused = REFUSED.has(code);
  const hint = isRefused
    ? "is the MLflow server running, and is this its URL? Call again when it is"
    : "look at the server and the network, and call again";
  const text = isRefused ? `there is no answer from ${at}` : `the connection to ${at} broke`;
  return { error: made("UNAVAILABLE", text, hint), isTransient: true, isRefused };
}

/**
 * @param isTrusted whether the server was given credentials, if there are any
 * @throws what breaks while it is read
 */
export async function answerFailure(
  answer: HttpAnswer,
  at: string,
  doing: string,
  isTrusted: boolean,
): Promise<Failure> {
  const { status } = answer;
  const { errorCode, message } = saidIn(await answer.text());
  const said = SAID.find((each) => each.status === status && each.text.test(message));
  const isRedirect = status >= 300 && status < 400;
  const known = (errorCode && CODES[errorCode]) || STATUSES[status];
  const code = said?.code ?? (isRedirect ? "CONFIG" : (known ?? "UNAVAILABLE"));
  const hint = said?.hint ?? (code === "UNAUTHORIZED" && !isTrusted ? NOT_TRUSTED : hintOf(code, status));
  const retryAfter = retryAfterOf(answer.header("retry-after"));
  return {
    error: new VarveError(code, `${doing}: ${at} answered ${status}${message && `: ${message}`}`, {
      ...(hint && { hint }),
      details: { uri: at, status, ...(errorCode && { errorCode }) },
    }),
    isTransient: code === "UNAVAILABLE" && TRANSIENT_STATUSES.has(status),
    ...(retryAfter !== undefined && { retryAfter }),
  };
}

/** For an answer that should be JSON. */
export function notMlflow(at: string, doing: string, cause?: unknown): VarveError {
  return new VarveError("CONFIG", `${doing}: ${at} answered with something that is no JSON`, {
    hint: IS_IT_MLFLOW,
    details: { uri: at, status: 200 },
    ...(cause !== undefined && { cause }),
  });
}

function hintOf(code: VarveErrorCode, status: number): string | undefined {
  if (status >= 300 && status < 400) return "the server sends elsewhere: use the URL that it sends to";
  if (status === 413)
    return "a proxy before the server refuses files of this size: raise its limit of request bodies";
  return HINTS[code];
}

/** JSON of MLflow, JSON of the framework under it, or text; of a page nothing, since it says nothing. */
function saidIn(text: string): { errorCode?: string; message: string } {
  try {
    const { error_code, message, detail } = JSON.parse(text) as Record<string, unknown>;
    const said = shortened(String(message ?? detail ?? ""));
    return { message: said, ...(typeof error_code === "string" && { errorCode: error_code }) };
  } catch {
    return { message: /^\s*</.test(text) ? "" : shortened(text) };
  }
}

/** Some say the whole of a statement that failed. */
function shortened(text: string): string {
  const [line = ""] = text.trim().split("\n");
  return line.length > MESSAGE_LENGTH_MAX ? `${line.slice(0, MESSAGE_LENGTH_MAX)}…` : line;
}

/** Seconds, or a date. */
function retryAfterOf(text: string | undefined): number | undefined {
  if (!text) return undefined;
  const wait = /^\d+$/.test(text) ? 1000 * Number(text) : Date.parse(text) - Date.now();
  return Number.isFinite(wait) ? Math.max(0, wait) : undefined;
}

import { randomBytes } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import { openClient } from "../../../adapters/mlflow/client.ts";
import type { Experiment, MlflowClient } from "../../../adapters/mlflow/protocol.ts";
import { newFolder, removeFolders } from "../../helpers/folders.ts";
import { mlflowUrl } from "../../services/mlflow.ts";
import { Relay } from "../../services/relay.ts";

/** Waits that no test has to sit through. What is asserted does not depend on them. */
const SOON = { MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: "0.01", MLFLOW_HTTP_REQUEST_BACKOFF_JITTER: "0.01" };

const clients: MlflowClient[] = [];
const relays: Relay[] = [];
const servers: Server[] = [];

/** For `after.each`. */
export async function endAll(): Promise<void> {
  for (const client of clients.splice(0)) client.close();
  for (const relay of relays.splice(0)) await relay.close();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  removeFolders();
}

/** A client that knows nothing of who runs the tests. */
export async function openTest(
  trackingUri = mlflowUrl(),
  environment: Record<string, string> = {},
  registryUri?: string,
): Promise<MlflowClient> {
  const settings = { trackingUri, ...(registryUri !== undefined && { registryUri }) };
  const client = await openClient(settings, { HOME: newFolder(), ...SOON, ...environment });
  clients.push(client);
  return client;
}

export async function newRelay(port = Number(new URL(mlflowUrl()).port)): Promise<Relay> {
  const relay = await Relay.to(port);
  relays.push(relay);
  return relay;
}

export function newName(kind = "t"): string {
  return `${kind}-${randomBytes(6).toString("hex")}`;
}

/** Tests share a server, so each has one of its own. */
export function newExperiment(client: MlflowClient): Promise<Experiment> {
  return client.experiments.ensure(newName("experiment"));
}

/** What looks for something that there can't be. */
export async function nothing(): Promise<undefined> {}

export function never(): Promise<never> {
  throw new Error("it was looked for");
}

/** @param pieceSize of which they come */
export function piecesOf(bytes: Uint8Array, pieceSize = 64 * 1024): () => AsyncIterable<Uint8Array> {
  return async function* () {
    for (let from = 0; from < bytes.byteLength; from += pieceSize)
      yield bytes.subarray(from, from + pieceSize);
  };
}

export async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

export interface Asked {
  method: string;
  /** With the query. */
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

export interface Answer {
  status?: number;
  headers?: Record<string, string>;
  /** JSON of what is no text. */
  body?: unknown;
}

/** A server for answers that MLflow gives when it is not asked to. It ends with the test. */
export async function answering(
  answer: (asked: Asked) => Answer | Promise<Answer>,
): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    const { method = "", url: path = "", headers } = request;
    const one = { method, path, headers, body: await bytesOf(request) };
    asked.push(one);
    const { status = 200, headers: own = {}, body = {} } = await answer(one);
    const isText = typeof body === "string" || body instanceof Uint8Array;
    response.writeHead(status, { ...(!isText && { "content-type": "application/json" }), ...own });
    response.end(isText ? body : JSON.stringify(body));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as { port: number }).port}`, asked };
}

import { randomBytes } from "node:crypto";
import { openClient } from "../../adapters/mlflow/client.ts";
import type { Experiment, MlflowClient } from "../../adapters/mlflow/protocol.ts";
import { newFolder, removeFolders } from "../helpers/folders.ts";
import { mlflowUrl } from "../services/mlflow.ts";
import { Relay } from "../services/relay.ts";

/** Waits that no test has to sit through. What is asserted does not depend on them. */
const SOON = { MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: "0.01", MLFLOW_HTTP_REQUEST_BACKOFF_JITTER: "0.01" };

const clients: MlflowClient[] = [];
const relays: Relay[] = [];

/** For `after.each`. */
export async function endAll(): Promise<void> {
  for (const client of clients.splice(0)) client.close();
  for (const relay of relays.splice(0)) await relay.close();
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

import { MlflowBackend } from "../../../adapters/mlflow/backend.ts";
import { openClient } from "../../../adapters/mlflow/client.ts";
import type { StorageBackend } from "../../../engine/main.ts";
import { Relay } from "../../services/relay.ts";

/** A backend whose network breaks where a test wants it. */

const HEAD = /^(GET|POST|PUT|PATCH|DELETE) (\S+)/;

/** What becomes of requests: each is one of MLflow's, not a piece of it. */
export type Break =
  /** From this request on the server is not there; it has got this one, and has not answered. */
  | { at: number; kind: "gone behind" }
  /** The answer to this one alone is lost. */
  | { at: number; kind: "lost answer" };

export class BreakingBackend {
  readonly #relay: Relay;
  readonly backend: StorageBackend;
  /** `PUT /api/…` of each. */
  readonly requests: string[] = [];
  /** Called with each request before it goes on. */
  onRequest: (request: string, index: number) => void = () => {};

  private constructor(relay: Relay, backend: StorageBackend, broken: Break | undefined) {
    this.#relay = relay;
    this.backend = backend;
    relay.fate = (text, link) => {
      const [, method, path] = HEAD.exec(text) ?? [];
      if (method === undefined) return link.losesReply ? "lose reply" : "pass";
      const index = this.requests.push(`${method} ${path}`) - 1;
      this.onRequest(this.requests[index]!, index);
      if (!broken || index < broken.at) return "pass";
      if (broken.kind === "lost answer") return index === broken.at ? "lose reply" : "pass";
      return index === broken.at ? "lose reply" : "cut";
    };
  }

  /** @param retries of the client, which do not wait */
  static async to(port: number, broken?: Break, retries = 0): Promise<BreakingBackend> {
    const relay = await Relay.to(port);
    const client = await openClient(
      { trackingUri: `http://127.0.0.1:${relay.port}` },
      {
        MLFLOW_HTTP_REQUEST_MAX_RETRIES: String(retries),
        MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: "0",
        MLFLOW_HTTP_REQUEST_BACKOFF_JITTER: "0",
      },
    );
    return new BreakingBackend(relay, new MlflowBackend(client), broken);
  }

  cut(): void {
    this.#relay.cut();
  }

  async close(): Promise<void> {
    await this.backend.close();
    await this.#relay.close();
  }
}

import { setTimeout as sleep } from "node:timers/promises";
import { throwIfAborted } from "../../engine/main.ts";
import type { Access } from "./environment.ts";
import { answerFailure, exchangeFailure, type Failure, notMlflow } from "./failures.ts";
import { Http, type HttpAnswer, type HttpRequest } from "./http.ts";
import type { Location } from "./location.ts";
import type { Find } from "./protocol.ts";

/** As long as MLflow waits between two tries. */
const WAIT_MAX = 120_000;

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export type JsonObject = { readonly [key: string]: Json | undefined };

export interface Ask<T> {
  /** For people. */
  doing: string;
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Behind the URI of the server. */
  path: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  body?: HttpRequest["body"];
  /** Reads an answer that is a success. */
  take(answer: HttpAnswer): Promise<T>;
  /** Asked before it is sent again: the server may have done it, and its answer was lost. */
  find?: Find<T> | undefined;
  signal?: AbortSignal | undefined;
}

/** Requests to one server, sent again where that is safe. */
export class Transport {
  readonly location: Location;
  readonly #access: Access;
  readonly #http: Http;
  readonly #isTrusted: boolean;
  readonly #headers: Record<string, string>;

  /** @param isTrusted whether it gets credentials */
  constructor(location: Location, access: Access, isTrusted: boolean) {
    this.location = location;
    this.#access = access;
    this.#isTrusted = isTrusted;
    this.#http = new Http(isTrusted ? access.tls : { isUnchecked: false });
    const authorization = location.authorization ?? access.authorization;
    this.#headers = {
      "user-agent": "varve",
      ...(isTrusted && authorization && { authorization }),
      ...(isTrusted && access.workspace && { "x-mlflow-workspace": access.workspace }),
    };
  }

  /** One JSON object for another. */
  json<T>(
    ask: Omit<Ask<T>, "take" | "body" | "headers"> & { body?: JsonObject },
    take: (answer: JsonObject) => T,
  ): Promise<T> {
    const { body, ...rest } = ask;
    return this.ask<T>({
      ...rest,
      ...(body && {
        headers: { "content-type": "application/json" },
        body: Buffer.from(JSON.stringify(body)),
      }),
      take: async (answer) => take(this.#object(await answer.text(), ask.doing)),
    });
  }

  /** @throws NOT_FOUND, INVALID_ARGUMENT, CONFLICT, UNAVAILABLE, UNAUTHORIZED, CONFIG, NOT_SUPPORTED, ABORTED */
  async ask<T>(ask: Ask<T>): Promise<T> {
    for (let tries = 0; ; tries++) {
      const { value, failure } = await this.#try(ask);
      if (!failure) return value as T;
      await this.waitFor(failure, tries, ask.signal);
      const found = await ask.find?.({ ...(ask.signal && { signal: ask.signal }) });
      if (found !== undefined) return found;
    }
  }

  /**
   * Until it may be tried again.
   * @param tries how often that was done
   * @throws the failure, where it is final
   */
  async waitFor(failure: Failure, tries: number, signal: AbortSignal | undefined): Promise<void> {
    const { patience } = this.#access;
    const triesMax = failure.isRefused ? patience.refusedRetriesMax : patience.retriesMax;
    if (!failure.isTransient || tries >= triesMax) throw failure.error;
    const asked = patience.obeysRetryAfter ? failure.retryAfter : undefined;
    if (asked !== undefined && asked > WAIT_MAX) throw failure.error;
    const wait = asked ?? Math.min(WAIT_MAX, patience.backoff * 2 ** tries) + Math.random() * patience.jitter;
    // Aborted: that is said below.
    await sleep(wait, undefined, { ...(signal && { signal }) }).catch(() => {});
    throwIfAborted(signal);
  }

  async #try<T>(ask: Ask<T>): Promise<{ value?: T; failure?: Failure }> {
    try {
      const answer = await this.#http.exchange({
        method: ask.method,
        url: this.#url(ask),
        headers: { ...this.#headers, ...ask.headers },
        silenceMax: this.#access.patience.silenceMax,
        signal: ask.signal,
        ...(ask.body && { body: ask.body }),
      });
      if (answer.status >= 200 && answer.status < 300) return { value: await ask.take(answer) };
      return { failure: await answerFailure(answer, this.location.uri, ask.doing, this.#isTrusted) };
    } catch (error) {
      return { failure: exchangeFailure(error, this.location.uri) };
    }
  }

  #url({ path, query }: Pick<Ask<unknown>, "path" | "query">): string {
    const text = query && new URLSearchParams(query).toString();
    return `${this.location.uri}${path}${text ? `?${text}` : ""}`;
  }

  #object(text: string, doing: string): JsonObject {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw notMlflow(this.location.uri, doing, error);
    }
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
    throw notMlflow(this.location.uri, doing);
  }

  close(): void {
    this.#http.close();
  }
}

import { once } from "node:events";
import {
  type ClientRequest,
  type IncomingMessage,
  Agent as PlainAgent,
  request as plainRequest,
} from "node:http";
import { Agent as TlsAgent, request as tlsRequest } from "node:https";
import { throwIfAborted, VarveError } from "../../engine/main.ts";
import type { Tls } from "./environment.ts";

/**
 * One exchange over HTTP. Of `node:http`, since `fetch` takes neither certificates nor a time-out, and streams what is sent without
 * a length.
 */

/** Unused connections are ended before the server does so (5 s): what is sent on one that ends is lost. */
const IDLE_MAX = 3000;
const CONNECTIONS_MAX = 32;
/** Of an answer that is not streamed. */
const TEXT_BYTES_MAX = 64 * 1024 * 1024;

export interface HttpRequest {
  method: string;
  url: string;
  headers: Record<string, string>;
  body?: Uint8Array | Upload;
  /** Milliseconds in which nothing comes and nothing goes. */
  silenceMax: number;
  signal?: AbortSignal | undefined;
}

export interface Upload {
  size: number;
  pieces(): AsyncIterable<Uint8Array>;
}

/** It is to be read to its end, or ended. */
export interface HttpAnswer {
  status: number;
  header(name: string): string | undefined;
  pieces(): AsyncIterable<Uint8Array>;
  /** All of it, for what is short. */
  text(): Promise<string>;
  end(): void;
}

/** What broke while it was asked: nothing that the server has said. */
export class ExchangeError extends Error {
  readonly code: string;

  constructor(code: string, message: string, cause: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/** Connections, kept for the next request. */
export class Http {
  readonly #plain = new PlainAgent({ keepAlive: true, timeout: IDLE_MAX, maxSockets: CONNECTIONS_MAX });
  readonly #tls: TlsAgent;

  constructor(tls: Tls) {
    this.#tls = new TlsAgent({
      keepAlive: true,
      timeout: IDLE_MAX,
      maxSockets: CONNECTIONS_MAX,
      rejectUnauthorized: !tls.isUnchecked,
      ...(tls.authorities && { ca: tls.authorities }),
      ...(tls.own && { cert: tls.own, key: tls.own }),
    });
  }

  /** @throws ExchangeError, ABORTED, and what `pieces` of the request throws */
  async exchange(request: HttpRequest): Promise<HttpAnswer> {
    throwIfAborted(request.signal);
    const outgoing = this.#begin(request);
    const answered = once(outgoing, "response") as Promise<[IncomingMessage]>;
    // It is looked at after the body was sent.
    answered.catch(() => {});
    try {
      await send(outgoing, request.body, answered);
      const [incoming] = await answered;
      return new Incoming(incoming, outgoing, request.signal);
    } catch (error) {
      outgoing.destroy();
      throwIfAborted(request.signal);
      throw error instanceof SourceError ? error.cause : broken(error);
    }
  }

  #begin({ method, url, headers, body, silenceMax, signal }: HttpRequest): ClientRequest {
    const isTls = url.startsWith("https:");
    const length = body && ("pieces" in body ? body.size : body.byteLength);
    const outgoing = (isTls ? tlsRequest : plainRequest)(url, {
      method,
      agent: isTls ? this.#tls : this.#plain,
      headers: { ...headers, ...(length !== undefined && { "content-length": length }) },
      timeout: silenceMax,
      ...(signal && { signal }),
    });
    let incoming: IncomingMessage | undefined;
    outgoing.on("response", (message) => {
      incoming = message;
    });
    outgoing.on("timeout", () => {
      if (isWaitingForUs(outgoing, incoming)) outgoing.setTimeout(silenceMax);
      else outgoing.destroy(Object.assign(new Error("nothing comes"), { code: "ETIMEDOUT" }));
    });
    // Who waits for the answer gets it.
    outgoing.on("error", () => {});
    return outgoing;
  }

  close(): void {
    this.#plain.destroy();
    this.#tls.destroy();
  }
}

/** Whether it is silent because who gives the bytes or who reads them is slow. */
function isWaitingForUs(outgoing: ClientRequest, incoming: IncomingMessage | undefined): boolean {
  if (incoming) return incoming.readableLength > 0;
  return outgoing.socket?.connecting === false && !outgoing.writableEnded && outgoing.writableLength === 0;
}

/** The bytes that were to be sent can't be had: that is no failure of the network. */
class SourceError extends Error {}

async function send(
  outgoing: ClientRequest,
  body: HttpRequest["body"],
  answered: Promise<unknown>,
): Promise<void> {
  if (!body || !("pieces" in body)) {
    outgoing.end(body);
    return;
  }
  let isOver = false;
  let goOn = () => {};
  const over = () => {
    isOver = true;
    goOn();
  };
  answered.then(over, over);
  outgoing.on("drain", () => goOn());
  for await (const piece of sourceOf(body)) {
    // A server that has answered already takes no more, and of one that is gone that is told when the answer is asked for.
    if (isOver) return;
    if (outgoing.write(piece)) continue;
    // Not a race with the answer: that would keep something of each piece until it is there.
    await new Promise<void>((resolve) => {
      goOn = resolve;
      if (isOver) resolve();
    });
  }
  outgoing.end();
}

async function* sourceOf({ size, pieces }: Upload): AsyncGenerator<Uint8Array> {
  let rest = size;
  const source = pieces()[Symbol.asyncIterator]();
  try {
    for (;;) {
      const step = await source.next().catch((error) => {
        throw new SourceError("source", { cause: error });
      });
      if (step.done) break;
      rest -= step.value.byteLength;
      if (rest < 0) break;
      yield step.value;
    }
  } finally {
    await source.return?.();
  }
  if (rest !== 0) throw new SourceError("source", { cause: otherLength() });
}

/** Of what is sent. */
export function otherLength(): VarveError {
  return new VarveError("CONFLICT", "what is uploaded is not as long as it was", {
    hint: "save it again when nobody writes to it",
  });
}

class Incoming implements HttpAnswer {
  readonly #incoming: IncomingMessage;
  readonly #outgoing: ClientRequest;
  readonly #signal: AbortSignal | undefined;
  readonly status: number;

  constructor(incoming: IncomingMessage, outgoing: ClientRequest, signal: AbortSignal | undefined) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#signal = signal;
    this.status = incoming.statusCode!;
    // Who reads it gets it.
    incoming.on("error", () => {});
  }

  header(name: string): string | undefined {
    const value = this.#incoming.headers[name];
    return Array.isArray(value) ? value.join(", ") : value;
  }

  async *pieces(): AsyncGenerator<Uint8Array> {
    try {
      yield* this.#incoming as AsyncIterable<Uint8Array>;
    } catch (error) {
      throwIfAborted(this.#signal);
      throw broken(error);
    } finally {
      // It was answered before all was sent: the connection can't be used again.
      if (!this.#outgoing.writableEnded) this.#outgoing.destroy();
    }
  }

  async text(): Promise<string> {
    const pieces: Uint8Array[] = [];
    let size = 0;
    for await (const piece of this.pieces()) {
      size += piece.byteLength;
      if (size > TEXT_BYTES_MAX)
        throw broken(Object.assign(new Error("the answer has no end"), { code: "E2BIG" }));
      pieces.push(piece);
    }
    return Buffer.concat(pieces).toString("utf8");
  }

  end(): void {
    this.#incoming.destroy();
  }
}

function broken(error: unknown): ExchangeError {
  const { code, message } = error as NodeJS.ErrnoException;
  return new ExchangeError(code ?? "UNKNOWN", message, error);
}

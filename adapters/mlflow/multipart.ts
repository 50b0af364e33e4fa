import { validateHeaderName, validateHeaderValue } from "node:http";
import { type CallOptions, VarveError } from "../../engine/main.ts";
import type { Multipart } from "./environment.ts";
import { object, objects, record, text, whole } from "./fields.ts";
import { type HttpAnswer, otherLength } from "./http.ts";
import { parseLocation } from "./location.ts";
import type { Download } from "./resume.ts";
import type { JsonObject, Transport } from "./transport.ts";

const PATH = "/api/2.0/mlflow-artifacts";
/** Of an upload, in storages of clouds. */
const PARTS_MAX = 10_000;
/** Held in memory at a time, unless one part is larger. */
const HELD_BYTES_MAX = 40 * 1024 * 1024;

export interface PartedUpload {
  /** Escaped, from the root of the artifacts on. */
  path: string;
  /** For people. */
  name: string;
  size: number;
  pieces(): AsyncIterable<Uint8Array>;
}

interface Part {
  number: number;
  url: string;
  headers: Record<string, string>;
}

/** Large files that go past the server, to and from the storage that it keeps them in, where it offers that. */
export class PartedTransfers {
  readonly #transport: Transport;
  readonly #settings: Multipart;
  /** Storages are other servers: they get no credentials of ours. */
  readonly #transportTo: (url: string) => Transport;
  #offered: Promise<JsonObject> | undefined;

  constructor(transport: Transport, settings: Multipart, transportTo: (url: string) => Transport) {
    this.#transport = transport;
    this.#settings = settings;
    this.#transportTo = transportTo;
  }

  /** Whether it was done: else the file goes through the server. */
  async put(upload: PartedUpload, options?: CallOptions): Promise<boolean> {
    const { uploads, fileSizeMin } = this.#settings;
    if (upload.size < fileSizeMin || upload.size === 0) return false;
    if (!(uploads ?? (await this.#offers("multipart_uploads_enabled", options)))) return false;
    const partSize = Math.max(this.#settings.partSize, Math.ceil(upload.size / PARTS_MAX));
    const begun = await this.#begin(upload, Math.ceil(upload.size / partSize), options);
    if (!begun) return false;
    try {
      const parts = await this.#send(upload, begun.parts, partSize, options);
      await this.#end("complete", upload, { upload_id: begun.id, parts }, options);
    } catch (error) {
      // What has failed is told; what is left of it costs room until the storage removes it.
      await this.#end("abort", upload, { upload_id: begun.id }).catch(() => {});
      throw error;
    }
    return true;
  }

  /** Where the bytes of a file are, if not behind the server. */
  async source(path: string, name: string, options?: CallOptions): Promise<Download | undefined> {
    const { downloads } = this.#settings;
    if (!(downloads ?? (await this.#offers("multipart_downloads_enabled", options)))) return undefined;
    const doing = `downloading ${name}`;
    const ask = { doing, method: "GET", path: `${PATH}/presigned/${path}`, ...options } as const;
    const found = await orUnsupported(this.#transport.json(ask, (answer) => answer));
    if (!found) return undefined;
    const { url, headers } = targetOf(found, "DOWNLOAD");
    return {
      transport: this.#transportTo(url),
      ask: { doing, method: "GET", path: pathOf(url), headers },
    };
  }

  async #offers(what: string, options?: CallOptions): Promise<boolean> {
    this.#offered ??= this.#ask(options).catch((error) => {
      this.#offered = undefined;
      throw error;
    });
    return (await this.#offered)[what] === true;
  }

  /** Whatever a server answers that does not know of this, it offers nothing. */
  async #ask(options?: CallOptions): Promise<JsonObject> {
    const doing = "asking what the server offers";
    const ask = { doing, method: "GET", path: "/api/3.0/mlflow/server-info", ...options } as const;
    try {
      return await this.#transport.json(ask, (answer) => answer);
    } catch (error) {
      if (statusOf(error) === undefined) throw error;
      return {};
    }
  }

  async #begin(
    { path, name, size }: PartedUpload,
    count: number,
    options?: CallOptions,
  ): Promise<{ id: string; parts: Part[] } | undefined> {
    const [folder, file] = folderAndName(path);
    // One that is begun twice costs nothing but a name.
    const ask = { doing: `uploading ${name}`, method: "POST", path: `${PATH}/mpu/create/${folder}` } as const;
    const body = { path: file, num_parts: count };
    const begun = await orUnsupported(this.#transport.json({ ...ask, body, ...options }, (answer) => answer));
    if (!begun) return undefined;
    const parts = objects(begun.credentials).map((each) => ({
      number: whole(each.part_number),
      ...targetOf(each, "UPLOAD"),
    }));
    if (parts.length === count) return { id: text(begun.upload_id), parts };
    throw new VarveError(
      "UNAVAILABLE",
      `uploading ${name}: ${size} bytes can't be sent in ${parts.length} parts`,
      {
        hint: "set MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD=false, and look at the server",
      },
    );
  }

  /** In the order of the file, some at a time. */
  async #send(
    upload: PartedUpload,
    parts: Part[],
    partSize: number,
    options?: CallOptions,
  ): Promise<JsonObject[]> {
    const atOnce = Math.max(1, Math.floor(HELD_BYTES_MAX / partSize) - 1);
    const sent: JsonObject[] = [];
    const running = new Set<Promise<void>>();
    let rest = upload.size;
    try {
      for await (const bytes of cut(upload.pieces(), partSize)) {
        const part = parts[sent.length];
        if (!part) throw otherLength();
        rest -= bytes.byteLength;
        const index = sent.push({}) - 1;
        const sending = this.#sendOne(upload.name, part, bytes, options).then((told) => {
          sent[index] = told;
          running.delete(sending);
        });
        running.add(sending);
        sending.catch(() => {});
        if (running.size >= atOnce) await Promise.race(running);
      }
      await Promise.all(running);
      if (rest !== 0) throw otherLength();
    } finally {
      await Promise.allSettled(running);
    }
    return sent;
  }

  #sendOne(name: string, part: Part, bytes: Uint8Array, options?: CallOptions): Promise<JsonObject> {
    return this.#transportTo(part.url).ask<JsonObject>({
      doing: `uploading part ${part.number} of ${name}`,
      method: "PUT",
      path: pathOf(part.url),
      headers: part.headers,
      body: bytes,
      take: async (answer: HttpAnswer) => {
        await answer.text();
        return { part_number: part.number, etag: answer.header("etag") ?? "", url: part.url };
      },
      ...options,
    });
  }

  async #end(
    how: "complete" | "abort",
    { path, name }: PartedUpload,
    fields: JsonObject,
    options?: CallOptions,
  ): Promise<void> {
    const [folder, file] = folderAndName(path);
    const ask = { doing: `uploading ${name}`, method: "POST", path: `${PATH}/mpu/${how}/${folder}` } as const;
    await this.#transport.ask({
      ...ask,
      headers: { "content-type": "application/json" },
      body: Buffer.from(JSON.stringify({ path: file, ...fields })),
      take: async (answer) => void (await answer.text()),
      ...options,
    });
  }
}

/** Pieces of one size, but for the last. */
async function* cut(pieces: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let held = Buffer.allocUnsafe(size);
  let used = 0;
  for await (const piece of pieces) {
    for (let from = 0; from < piece.byteLength; ) {
      const part = piece.subarray(from, from + size - used);
      held.set(part, used);
      used += part.byteLength;
      from += part.byteLength;
      if (used < size) continue;
      yield held;
      held = Buffer.allocUnsafe(size);
      used = 0;
    }
  }
  if (used > 0) yield held.subarray(0, used);
}

async function orUnsupported(asked: Promise<JsonObject>): Promise<JsonObject | undefined> {
  try {
    return await asked;
  } catch (error) {
    const status = statusOf(error);
    if (status === 404 || status === 405 || status === 501) return undefined;
    throw error;
  }
}

/** Of what was answered. */
function statusOf(error: unknown): unknown {
  return error instanceof VarveError ? error.details?.status : undefined;
}

/** The name as it is, the folder escaped. */
function folderAndName(path: string): [string, string] {
  const at = path.lastIndexOf("/");
  return [path.slice(0, at), decodeURIComponent(path.slice(at + 1))];
}

function headersOf(value: unknown): Record<string, string> {
  if (Array.isArray(value)) return record(value, "name");
  return Object.fromEntries(Object.entries(object(value)).map(([key, each]) => [key, text(each)]));
}

/** What the server has named, which may be anything. Nothing of it is told: it is signed. */
function targetOf(from: JsonObject, kind: "UPLOAD" | "DOWNLOAD"): Pick<Part, "url" | "headers"> {
  const url = text(from.url);
  const headers = headersOf(from.headers);
  if (/^https?:/i.test(url) && URL.canParse(url) && Object.entries(headers).every(canBeSent))
    return { url, headers };
  throw new VarveError("UNAVAILABLE", "the server names a storage that can't be asked", {
    hint: `set MLFLOW_ENABLE_PROXY_MULTIPART_${kind}=false, and look at the server`,
  });
}

function canBeSent([name, value]: [string, string]): boolean {
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
    return true;
  } catch {
    return false;
  }
}

/** It is signed: no letter of it may change, and none may be told. */
function pathOf(url: string): string {
  return url.slice(new URL(url).origin.length);
}

/** Of a storage. */
export function storageLocation(url: string): ReturnType<typeof parseLocation> {
  return parseLocation(new URL(url).origin, "the storage of the server");
}

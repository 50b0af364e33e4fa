import { Blob } from "node:buffer";
import type { FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { types } from "node:util";
import { throwIfAborted, VarveError } from "../errors.ts";
import { FilePull } from "./file.ts";
import { ITERATOR_HINT, iteratorPull, nodePull, type Pull, webPull } from "./pull.ts";

/** What gives its bytes piece by piece. */
export type ByteSource = Readable | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array> | Blob;

/** A file whose bytes are wanted: by its path, or opened by the caller, who closes it. */
export interface FileSource {
  file: string | FileHandle;
}

export interface PiecesOptions {
  signal?: AbortSignal | undefined;
}

/**
 * Whether a value is one whose bytes are read, rather than a value that is kept itself. An array, `Map`, `Buffer` or
 * string is none, a generator's result or an object with `Symbol.asyncIterator` is one. No code of the value runs.
 */
export function isByteSource(value: unknown): value is ByteSource {
  if (typeof value !== "object" || value === null || types.isProxy(value)) return false;
  return value instanceof Blob || Symbol.asyncIterator in value || isWebStream(value);
}

/** Some implementations of web streams can't be iterated. */
function isWebStream(value: object): value is ReadableStream<Uint8Array> {
  return "getReader" in value && "locked" in value;
}

function isNodeStream(value: object): value is Readable {
  return value instanceof Readable || ("pipe" in value && "destroy" in value && "on" in value);
}

/**
 * The bytes of a source, in pieces as it gives them: none is empty, and each is good until the next is asked for, since the
 * source may write the next one over it. A piece is asked for only when the one before was taken.
 *
 * The source belongs to this from the call on: whatever ends the iteration first (its `return`, the signal, a piece
 * that is no bytes) closes the source: a stream is destroyed, a reader cancelled, an iterator returned, a file closed.
 *
 * @throws INVALID_ARGUMENT at once for a stream that was read from, destroyed, or locked by another reader.
 * While iterating: UNSUPPORTED_VALUE (a piece is no `Uint8Array`), ABORTED, IO with the error of the source as its cause.
 */
export function piecesOf(source: ByteSource | FileSource, options: PiecesOptions = {}): Pieces {
  return new Pieces(pullOf(source), options.signal);
}

function pullOf(source: ByteSource | FileSource): Pull {
  if (source instanceof Blob) return webPull(source.stream() as ReadableStream);
  if (isWebStream(source)) return webPull(source);
  if (isNodeStream(source)) return nodePull(source);
  if (Symbol.asyncIterator in source) return iteratorPull(source);
  return new FilePull(source.file);
}

export class Pieces implements AsyncIterableIterator<Uint8Array> {
  readonly #pull: Pull;
  readonly #signal: AbortSignal | undefined;
  #count = 0;
  #isOver = false;
  #hasEnded = false;

  constructor(pull: Pull, signal: AbortSignal | undefined) {
    this.#pull = pull;
    this.#signal = signal;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Whether the source said that this was all. An iteration that ends for another reason has seen a part of it. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    while (!this.#isOver) {
      const piece = await this.#next();
      if (piece !== undefined && piece.length > 0) return { done: false, value: piece };
    }
    return { done: true, value: undefined };
  }

  /** Closes the source, unless it has ended. */
  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (!this.#isOver) {
      this.#isOver = true;
      await this.#close();
    }
    return { done: true, value: undefined };
  }

  async #next(): Promise<Uint8Array | undefined> {
    let result: IteratorResult<unknown>;
    try {
      throwIfAborted(this.#signal);
      result = await (this.#pull.mayHang ? untilAborted(this.#pull.next(), this.#signal) : this.#pull.next());
    } catch (error) {
      this.#isOver = true;
      const closed = this.#close();
      // A source that does not answer may not answer to this either: it is told, but not waited for.
      if (!this.#pull.mayHang || !this.#signal?.aborted) await closed;
      throw sourceError(error, this.#pull.name);
    }
    // Closed while it was waited for: some sources call that their end.
    if (this.#isOver) return undefined;
    if (result.done) {
      this.#isOver = true;
      this.#hasEnded = true;
      return undefined;
    }
    if (types.isUint8Array(result.value)) {
      this.#count += 1;
      return result.value;
    }
    await this.return();
    throw notBytes(result.value, this.#count, this.#pull.name);
  }

  async #close(): Promise<void> {
    try {
      await this.#pull.close();
    } catch {
      // It ends for another reason, which is the one to tell; what its own cleaning up says changes nothing that is kept.
    }
  }
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(new VarveError("ABORTED", "the call was aborted", { cause: signal.reason }));
    signal.addEventListener("abort", abort, { once: true });
    const settle = () => signal.removeEventListener("abort", abort);
    promise.then(resolve, reject).finally(settle);
  });
}

function sourceError(error: unknown, name: string): VarveError {
  if (error instanceof VarveError) return error;
  const { name: kind, message } = (error ?? {}) as { name?: unknown; message?: unknown };
  const reason = typeof message === "string" ? message : String(error);
  if (kind === "AbortError") {
    return new VarveError("ABORTED", `${name} was aborted while it was read: ${reason}`, {
      hint: "nothing of it was saved; give a new one to try again",
      cause: error,
    });
  }
  return new VarveError("IO", `${name} failed while it was read: ${reason}`, {
    hint: "nothing of it was saved; the cause is its own error",
    cause: error,
  });
}

function notBytes(piece: unknown, index: number, name: string): VarveError {
  return new VarveError("UNSUPPORTED_VALUE", `piece ${index} of ${name} is ${described(piece)}`, {
    hint: hintFor(piece),
    details: { piece: index },
  });
}

function described(piece: unknown): string {
  if (piece === null || piece === undefined) return `${piece}, not a Uint8Array`;
  if (typeof piece !== "object") return `a ${typeof piece}, not a Uint8Array`;
  if (types.isProxy(piece)) return "a proxy, not a Uint8Array";
  return `${Object.prototype.toString.call(piece).slice(8, -1)}, not a Uint8Array`;
}

function hintFor(piece: unknown): string {
  if (typeof piece === "string") {
    return "leave out the encoding of the stream (`setEncoding`), or make bytes of each piece with `Buffer.from(piece)`";
  }
  if (types.isAnyArrayBuffer(piece)) return "give each piece as `new Uint8Array(piece)`";
  if (ArrayBuffer.isView(piece)) {
    return "give each piece as `new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength)`";
  }
  return ITERATOR_HINT;
}

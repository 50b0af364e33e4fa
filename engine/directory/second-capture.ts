import { on } from "node:events";
import type { Worker } from "node:worker_threads";
import type { VarveErrorCode } from "../errors.ts";
import { throwIfAborted, VarveError } from "../errors.ts";
import { startThread } from "../second-thread.ts";
import type { LinkEntry } from "./entry.ts";
import type { StoredFile } from "./file-reader.ts";
import type { FoundFile } from "./scan.ts";

/** What the thread is to do. */
export interface CaptureTask {
  root: string;
  ignore: readonly string[];
  /** See `isSettled`. */
  beganNs: bigint;
  /** The key of an entry behind which it is to begin. */
  behind?: string | undefined;
}

/** What it tells: what it has read, a file that it leaves to the other thread, or that there is no more. */
export type CaptureAnswer = ReadFiles | { large: FoundFile } | { failure: CaptureFailure | undefined };

/**
 * Small files, and the pieces of the manifest that they make up, in order: a few large things are handed over faster than
 * many small ones.
 */
export interface ReadFiles {
  /** The bytes of the files, one behind the other. */
  contents: Uint8Array;
  lengths: Uint32Array;
  /** Their SHA-256, 32 bytes each. */
  digests: Uint8Array;
  pieces: ReadPiece[];
}

/** A piece of the manifest. It names all files since the one before, large ones included, each content once. */
export interface ReadPiece {
  /** So many files of the answer belong to this piece or to those before it. */
  filesUpTo: number;
  referenceCount: number;
  content: Uint8Array;
  stamps: Uint8Array;
  entryCount: number;
  fileCount: number;
  /** The links among its entries. */
  links: LinkEntry[];
  first: string;
  /** Its last key. */
  last: string;
  /** Bytes of its files. */
  size: number;
}

/** What is told it: that an answer was taken, or what a large file was stored as. */
export type CaptureReply = null | StoredFile;

/** An error, as it goes from thread to thread. */
export interface CaptureFailure {
  code: VarveErrorCode;
  message: string;
  hint: string | undefined;
  details: Record<string, unknown> | undefined;
  /** What the operating system said. */
  cause: { message: string; code: unknown } | undefined;
}

/** Answers that were not taken yet, at most: enough that neither thread waits for the other. */
export const ANSWERS_MAX = 6;
/** What it makes is mostly gone at once: more room for it would be memory for nothing. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 16 };
const PROGRAM = "./second-capture-program.js";

/** Another thread that reads a folder, and makes its manifest, while this one keeps what it gives. */
export class SecondCapture {
  readonly #worker: Worker;
  /** Asked for at once: what it tells before anybody listens would be lost. */
  readonly #answers: AsyncIterable<unknown[]>;
  readonly #signal: AbortSignal | undefined;
  /** Whether it has told all. One that ended before it told anything has not even begun, and nothing is lost. */
  isThrough = false;

  private constructor(worker: Worker, signal: AbortSignal | undefined) {
    this.#worker = worker;
    this.#signal = signal;
    const answers = on(worker, "message", { close: ["exit"], ...(signal && { signal }) });
    this.#answers = answers as AsyncIterableIterator<unknown[]>;
  }

  /** Undefined where there can be none. */
  static start(task: CaptureTask, signal: AbortSignal | undefined): SecondCapture | undefined {
    throwIfAborted(signal);
    const options = { workerData: task, resourceLimits: RESOURCE_LIMITS };
    const worker = startThread(PROGRAM, import.meta.url, options);
    return worker && new SecondCapture(worker, signal);
  }

  /**
   * All files behind one another. The thread ends with this.
   * @param store keeps a large file
   * @throws as `scanTree` and `readSmall`; IO when the thread ended in the middle
   */
  async *answers(store: (found: FoundFile) => Promise<StoredFile>): AsyncGenerator<ReadFiles> {
    let hasBegun = false;
    let cause: unknown;
    try {
      for await (const [told] of this.#answers) {
        const answer = told as CaptureAnswer;
        if ("failure" in answer) {
          if (answer.failure) throw errorOf(answer.failure);
          this.isThrough = true;
          return;
        }
        hasBegun = true;
        if ("large" in answer) this.#reply(await store(answer.large));
        else {
          yield answer;
          this.#reply(null);
        }
      }
    } catch (error) {
      throwIfAborted(this.#signal);
      if (error instanceof VarveError) throw error;
      cause = error;
    } finally {
      await this.#worker.terminate();
    }
    if (hasBegun) throw endedEarly(cause);
  }

  #reply(reply: CaptureReply): void {
    this.#worker.postMessage(reply);
  }
}

export function failureOf(error: VarveError): CaptureFailure {
  const { code, message, hint, details } = error;
  const { cause } = error as { cause?: { message?: unknown; code?: unknown } };
  return {
    ...{ code, message, hint, details },
    cause: cause && { message: String(cause.message ?? cause), code: cause.code },
  };
}

export function errorOf({ code, message, hint, details, cause }: CaptureFailure): VarveError {
  return new VarveError(code, message, {
    ...(hint !== undefined && { hint }),
    ...(details && { details }),
    ...(cause && { cause: Object.assign(new Error(cause.message), { code: cause.code }) }),
  });
}

function endedEarly(cause: unknown): VarveError {
  return new VarveError("IO", "the thread that reads the folder ended before it was through", {
    hint: "nothing was saved; save again",
    ...(cause !== undefined && { cause }),
  });
}

import { on } from "node:events";
import type { Worker } from "node:worker_threads";
import type { VarveErrorCode } from "../errors.ts";
import { throwIfAborted, VarveError } from "../errors.ts";
import { startThread } from "../second-thread.ts";
import type { PackedEntries } from "./packed.ts";
import { unpacked } from "./packed.ts";
import type { Found } from "./scan.ts";

/** What the thread is to do. */
export interface ScanTask {
  root: string;
  ignore: readonly string[];
  /** Whether small files are read too. */
  reads: boolean;
  /** The key of an entry behind which it is to begin. */
  behind?: string | undefined;
}

/** What it tells: some entries, in order, or that there are no more. */
export type ScanAnswer = PackedEntries | { failure: ScanFailure | undefined };

/** An error, as it goes from thread to thread. */
export interface ScanFailure {
  code: VarveErrorCode;
  message: string;
  hint: string | undefined;
  details: Record<string, unknown> | undefined;
  /** What the operating system said. */
  cause: { message: string; code: unknown } | undefined;
}

/** Answers that were not taken yet, at most: enough that neither thread waits for the other. */
export const ANSWERS_MAX = 3;
/** What it makes is mostly gone at once: more room for it would be memory for nothing. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 6 };
const PROGRAM = "./second-scan-program.js";

/** Another thread that looks at a folder, and reads its small files, while this one keeps what it found. */
export class SecondScan {
  readonly #worker: Worker;
  /** Asked for at once: what it tells before anybody listens would be lost. */
  readonly #answers: AsyncIterable<unknown[]>;
  readonly #signal: AbortSignal | undefined;

  private constructor(worker: Worker, signal: AbortSignal | undefined) {
    this.#worker = worker;
    this.#signal = signal;
    const answers = on(worker, "message", { close: ["exit"], ...(signal && { signal }) });
    this.#answers = answers as AsyncIterableIterator<unknown[]>;
  }

  /** Undefined where there can be none. */
  static start(task: ScanTask, signal: AbortSignal | undefined): SecondScan | undefined {
    throwIfAborted(signal);
    const options = { workerData: task, resourceLimits: RESOURCE_LIMITS };
    const worker = startThread(PROGRAM, import.meta.url, options);
    return worker && new SecondScan(worker, signal);
  }

  /**
   * What `scanTree` gives, with what of it was read. The thread ends with this.
   * @param wantsContents asked behind each batch: whether small files of later ones are to be read
   * @returns false where the thread ended before it told anything, so that nothing is lost
   * @throws as `scanTree` and `readSmall`; IO when the thread ended in the middle
   */
  async *batches(wantsContents: () => boolean): AsyncGenerator<Found[], boolean> {
    let hasBegun = false;
    let cause: unknown;
    try {
      for await (const [told] of this.#answers) {
        const answer = told as ScanAnswer;
        if ("failure" in answer) {
          if (answer.failure) throw errorOf(answer.failure);
          return true;
        }
        hasBegun = true;
        yield unpacked(answer);
        this.#worker.postMessage(wantsContents());
      }
    } catch (error) {
      throwIfAborted(this.#signal);
      if (error instanceof VarveError) throw error;
      cause = error;
    } finally {
      await this.#worker.terminate();
    }
    if (hasBegun) throw endedEarly(cause);
    return false;
  }
}

export function failureOf(error: VarveError): ScanFailure {
  const { code, message, hint, details } = error;
  const { cause } = error as { cause?: { message?: unknown; code?: unknown } };
  return {
    ...{ code, message, hint, details },
    cause: cause && { message: String(cause.message ?? cause), code: cause.code },
  };
}

export function errorOf({ code, message, hint, details, cause }: ScanFailure): VarveError {
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

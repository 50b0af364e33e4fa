import type { Worker } from "node:worker_threads";
import { startThread } from "../second-thread.ts";

/** What is to be cut. */
export interface CutTask {
  memory: SharedArrayBuffer;
  /** Of the bytes in it. */
  end: number;
  /** Whether no more follow. */
  isLast: boolean;
  /** Where they begin; without it, they go on behind the task before. */
  from?: number | undefined;
}

/** The chunks of a task. */
export interface CutAnswer {
  ends: number[];
  /** 32 bytes for each. */
  digests: Uint8Array;
}

const PROGRAM = "./second-cutter-program.js";
/** It makes next to nothing that a collector would have to look for. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 2 };

/**
 * Another thread that cuts slabs into chunks, and takes their digests, while this one gathers and writes. It keeps no
 * process alive that waits for nothing else.
 */
export class SecondCutter {
  /** One is enough for a process: the other processors are those of its other work. */
  static #isTaken = false;

  readonly #worker: Worker;
  /** Who waits for answers, in order. */
  readonly #waiting: ((answer: CutAnswer | undefined) => void)[] = [];
  #state: "starting" | "ready" | "gone" = "starting";

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.unref();
    worker.once("message", () => {
      this.#state = "ready";
      worker.on("message", (answer: CutAnswer) => this.#answer(answer));
    });
    const gone = () => this.#endWaiting();
    worker.on("error", gone).on("exit", gone);
  }

  /** Undefined where there can be none, or this process has one already. */
  static start(): SecondCutter | undefined {
    if (SecondCutter.#isTaken) return undefined;
    const worker = startThread(PROGRAM, import.meta.url, { resourceLimits: RESOURCE_LIMITS });
    SecondCutter.#isTaken = worker !== undefined;
    return worker && new SecondCutter(worker);
  }

  /** Whether it has begun, and not ended: until then nobody should wait for it. */
  get isReady(): boolean {
    return this.#state === "ready";
  }

  /** Undefined when the thread has ended: then the same must be done without it, behind the answers that came. */
  cut(task: CutTask): Promise<CutAnswer | undefined> {
    if (!this.isReady) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#worker.ref();
      this.#waiting.push(resolve);
      this.#worker.postMessage(task);
    });
  }

  async end(): Promise<void> {
    try {
      await this.#worker.terminate();
    } finally {
      SecondCutter.#isTaken = false;
    }
  }

  #answer(answer: CutAnswer): void {
    this.#waiting.shift()?.(answer);
    if (this.#waiting.length === 0) this.#worker.unref();
  }

  #endWaiting(): void {
    this.#state = "gone";
    for (const resolve of this.#waiting.splice(0)) resolve(undefined);
  }
}

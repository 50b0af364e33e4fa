import type { MessagePort, Worker } from "node:worker_threads";
import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";
import { nodeFileSystem } from "../../log/file.ts";
import type { LogReader } from "../../log/reader.ts";
import type { LogIdentity } from "../../log/segment-header.ts";
import { startThread } from "../second-thread.ts";
import type { Part, PartOptions, Stretch } from "./part.ts";

/** What the two threads tell each other, in 32-bit numbers of a memory that both have. */
export const Shared = { state: 0, beat: 1, count: 2 } as const;
export const State = { starting: 0, reading: 1, done: 2, failed: 3 } as const;

export interface SecondTask {
  folder: string;
  identity: LogIdentity | undefined;
  stretch: Stretch;
  options: PartOptions;
  shared: SharedArrayBuffer;
  port: MessagePort;
}

const PROGRAM = "./second-program.js";
/** A thread that has not begun by then, counted from when its part is waited for, will not. */
const START_MS = 3_000;
/** Nor goes one on that was silent for so long. */
const SILENCE_MS = 30_000;

/**
 * Another thread that reads a part of the log. Nothing rests on it: where there is none, or it can't begin, or falls
 * silent, the part is read by the thread that wanted it. That one waits without its event loop: it holds the lock.
 */
export class SecondReader {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #shared: Int32Array;

  private constructor(worker: Worker, port: MessagePort, shared: Int32Array) {
    this.#worker = worker;
    this.#port = port;
    this.#shared = shared;
  }

  /** Undefined where there can be none, or the files are not those of the disk. */
  static start(reader: LogReader, stretch: Stretch, options: PartOptions): SecondReader | undefined {
    if (reader.files !== nodeFileSystem) return undefined;
    const shared = new SharedArrayBuffer(Shared.count * Int32Array.BYTES_PER_ELEMENT);
    const { port1, port2 } = new MessageChannel();
    const { folder, identity } = reader;
    const task: SecondTask = { folder, identity, stretch, options, shared, port: port2 };
    const worker = startThread(PROGRAM, import.meta.url, { workerData: task, transferList: [port2] });
    if (!worker) {
      port1.close();
      return undefined;
    }
    // Whoever waits for it sees that it is silent.
    worker.on("error", () => {});
    worker.unref();
    return new SecondReader(worker, port1, new Int32Array(shared));
  }

  /** Waits for the part. Undefined when it will not come. */
  finish(): Part | undefined {
    let state = this.#state;
    while (state !== State.done) {
      if (state === State.failed || !this.#goesOn(state)) return undefined;
      state = this.#state;
    }
    return receiveMessageOnPort(this.#port)?.message as Part | undefined;
  }

  get #state(): number {
    return Atomics.load(this.#shared, Shared.state);
  }

  /** Waits for a while. False when nothing has happened meanwhile. */
  #goesOn(state: number): boolean {
    const beat = Atomics.load(this.#shared, Shared.beat);
    const milliseconds = state === State.starting ? START_MS : SILENCE_MS;
    if (Atomics.wait(this.#shared, Shared.state, state, milliseconds) !== "timed-out") return true;
    return Atomics.load(this.#shared, Shared.beat) !== beat;
  }

  /** What it has read is not wanted. */
  stop(): void {
    this.#port.close();
    void this.#worker.terminate().catch(() => {});
  }
}

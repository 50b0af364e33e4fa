import type { MessagePort } from "node:worker_threads";
import { receiveMessageOnPort } from "node:worker_threads";

/** Each side counts what it has done, in a memory that both have: the other one sees by that that it lives. */
export const LINE_BYTES = 2 * Int32Array.BYTES_PER_ELEMENT;

/** One end of a line between two threads, on which messages are waited for without an event loop. */
export class Line {
  readonly #port: MessagePort;
  readonly #counts: Int32Array;
  readonly #own: number;
  readonly #other: number;

  /** @param own 0 for one end, 1 for the other */
  constructor(port: MessagePort, memory: SharedArrayBuffer, own: 0 | 1) {
    this.#port = port;
    this.#counts = new Int32Array(memory);
    this.#own = own;
    this.#other = 1 - own;
  }

  /** This end goes on, though it has nothing to say. */
  beat(): void {
    Atomics.add(this.#counts, this.#own, 1);
  }

  send(message: unknown, memory: readonly ArrayBuffer[] = []): void {
    this.#port.postMessage(message, memory);
    this.beat();
    Atomics.notify(this.#counts, this.#own);
  }

  /**
   * Waits for the next message.
   * @param silenceMs how long the other end may do nothing, from when its first sign of life came
   * @param startMs how long that may take
   * @returns undefined when it was silent for longer
   */
  receive<T>(silenceMs: number, startMs = silenceMs): T | undefined {
    for (;;) {
      const seen = Atomics.load(this.#counts, this.#other);
      const received = receiveMessageOnPort(this.#port);
      if (received) return received.message as T;
      const milliseconds = seen === 0 ? startMs : silenceMs;
      const isWoken = Atomics.wait(this.#counts, this.#other, seen, milliseconds) !== "timed-out";
      if (!isWoken && Atomics.load(this.#counts, this.#other) === seen) return undefined;
    }
  }

  close(): void {
    this.#port.close();
  }
}

/** What the command line writes: data to stdout, gathered into large writes; all else to stderr. */

import type { Writable } from "node:stream";
import { BrokenPipe, systemError } from "./errors.ts";
import { jsonText } from "./printable.ts";

export type OutputStream = Writable & { isTTY?: boolean };

const GATHERED_LENGTH_MAX = 64 * 1024;

/** Rejects with `BrokenPipe` once the reader of stdout is gone, and with the signal's reason after Ctrl-C. */
export class Output {
  readonly #stream: OutputStream;
  readonly #signal: AbortSignal;
  #gathered = "";

  constructor(stream: OutputStream, signal: AbortSignal) {
    this.#stream = stream;
    this.#signal = signal;
    // The callback of the write reports it; an 'error' event without a listener would end the process.
    stream.on("error", () => {});
  }

  get isTerminal(): boolean {
    return this.#stream.isTTY === true;
  }

  async line(text: string): Promise<void> {
    await this.text(`${text}\n`);
  }

  async text(text: string): Promise<void> {
    this.#signal.throwIfAborted();
    this.#gathered += text;
    if (this.#gathered.length >= GATHERED_LENGTH_MAX) await this.flush();
  }

  /** One JSON document on a line of its own. */
  async document(value: unknown): Promise<void> {
    await this.line(jsonText(value));
  }

  async bytes(bytes: Uint8Array): Promise<void> {
    this.#signal.throwIfAborted();
    await this.flush();
    await this.#write(bytes);
  }

  async flush(): Promise<void> {
    const text = this.#gathered;
    this.#gathered = "";
    if (text !== "") await this.#write(text);
  }

  /** Waits until the stream has taken it, so that a slow reader slows the command instead of filling memory. */
  async #write(chunk: string | Uint8Array): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) => {
        this.#stream.write(chunk, (error) => (error ? reject(error) : resolve()));
      });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EPIPE" || code === "ERR_STREAM_DESTROYED") throw new BrokenPipe();
      throw systemError(error, "writing to stdout");
    }
  }
}

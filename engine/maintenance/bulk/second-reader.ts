import type { MessagePort, Worker } from "node:worker_threads";
import { MessageChannel } from "node:worker_threads";
import { nodeFileSystem } from "../../log/file.ts";
import type { LogReader } from "../../log/reader.ts";
import type { LogIdentity } from "../../log/segment-header.ts";
import { startThread } from "../../second-thread.ts";
import { LINE_BYTES, Line } from "./line.ts";
import type { Runs } from "./merged.ts";
import { REFUSED } from "./merged.ts";
import type { Part, PartOptions, Stretch } from "./part.ts";
import type { Piece, Pieces } from "./pieces.ts";
import type { Waiting } from "./sorted.ts";

export interface SecondTask {
  folder: string;
  identity: LogIdentity | undefined;
  stretch: Stretch;
  options: PartOptions;
  memory: SharedArrayBuffer;
  port: MessagePort;
}

/** Of a part, what is not kept by the thread that has read it. */
export type PartRead = Pick<Part, "result" | "gaps">;

/** First what was read, and then piece by piece what was merged. */
export type FromSecond = PartRead | { memory: ArrayBuffer; used: number } | "failed";

const PROGRAM = "./second-program.js";
/** A thread that has not begun by then, counted from when its part is waited for, will not. */
const START_MS = 3_000;
/** Nor goes one on that was silent for so long. */
const SILENCE_MS = 30_000;

const NOTHING: Piece = { bytes: Buffer.alloc(0), used: REFUSED };

/**
 * Another thread that reads a part of the log, and then merges what both have read while the first one puts it into the
 * index. Nothing rests on it: where there is none, or it can't begin, or falls silent, the thread that wanted it does that
 * itself. That one waits without its event loop: it holds the lock.
 */
export class SecondReader implements Pieces {
  readonly #worker: Worker;
  readonly #line: Line;
  /** Is given back for more. */
  #memory: ArrayBuffer | undefined;

  private constructor(worker: Worker, line: Line) {
    this.#worker = worker;
    this.#line = line;
  }

  /** Undefined where there can be none, or the files are not those of the disk. */
  static start(reader: LogReader, stretch: Stretch, options: PartOptions): SecondReader | undefined {
    if (reader.files !== nodeFileSystem) return undefined;
    const memory = new SharedArrayBuffer(LINE_BYTES);
    const { port1, port2 } = new MessageChannel();
    const { folder, identity } = reader;
    const task: SecondTask = { folder, identity, stretch, options, memory, port: port2 };
    const worker = startThread(PROGRAM, import.meta.url, { workerData: task, transferList: [port2] });
    if (!worker) {
      port1.close();
      return undefined;
    }
    // Whoever waits for it sees that it is silent.
    worker.on("error", () => {});
    worker.unref();
    return new SecondReader(worker, new Line(port1, memory, 0));
  }

  /** Waits until the part is read. Undefined when it will not be. */
  finish(): PartRead | undefined {
    const found = this.#receive();
    return found && "result" in found ? found : undefined;
  }

  /** After `finish`: lets it merge what was read before its part, whose memory it is given. */
  merge({ rows, blobs }: Runs): void {
    this.#line.send({ rows, blobs }, [...rows, ...blobs].flatMap(memoryOf));
  }

  next(): Piece {
    if (this.#memory) this.#line.send(this.#memory, [this.#memory]);
    const found = this.#receive();
    if (!found || !("used" in found)) return NOTHING;
    this.#memory = found.memory;
    return { bytes: Buffer.from(found.memory), used: found.used };
  }

  #receive(): Exclude<FromSecond, "failed"> | undefined {
    const found = this.#line.receive<FromSecond>(SILENCE_MS, START_MS);
    return found === "failed" ? undefined : found;
  }

  /** Nothing more of it is wanted. */
  close(): void {
    this.#line.close();
    void this.#worker.terminate().catch(() => {});
  }
}

/** The memory that is handed over. */
function memoryOf(waiting: Waiting): ArrayBuffer[] {
  return "entries" in waiting ? [waiting.bytes.buffer as ArrayBuffer] : [];
}

/** What the second thread runs that reads a part of the log: it loads nothing of the index but how rows are written. */

import { workerData } from "node:worker_threads";
import { nodeFileSystem } from "../../log/file.ts";
import { LogReader } from "../../log/reader.ts";
import { Line } from "./line.ts";
import type { Runs } from "./merged.ts";
import { MergedRuns } from "./merged.ts";
import type { Part } from "./part.ts";
import { PartReader } from "./part.ts";
import { PIECE_BYTES } from "./pieces.ts";
import type { FromSecond, SecondTask } from "./second-reader.ts";

const task = workerData as SecondTask;
const line = new Line(task.port, task.memory, 1);

/** What is full while one is put into the index, and the one that is filled meanwhile. */
const PIECES = 3;

function send(message: FromSecond, memory: readonly ArrayBuffer[] = []): void {
  line.send(message, memory);
}

/** The other thread ends this one when it wants nothing more. */
function receive<T>(): T {
  return line.receive<T>(Number.POSITIVE_INFINITY)!;
}

function read(): Part {
  const { folder, identity, stretch, options } = task;
  const reader = new LogReader(nodeFileSystem, folder, identity);
  try {
    const part = new PartReader(reader, { ...options, onBatch: () => line.beat() });
    return part.end(part.read(stretch));
  } finally {
    reader.close();
  }
}

/** Merges what the other thread has read with what this one has, and hands it over piece by piece. */
function merge(first: Runs, second: Runs): void {
  const merged = new MergedRuns({
    rows: [...first.rows, ...second.rows],
    blobs: [...first.blobs, ...second.blobs],
  });
  try {
    for (let made = 0, used = 1; used > 0; made++) {
      const memory = made < PIECES ? new ArrayBuffer(PIECE_BYTES) : receive<ArrayBuffer>();
      used = merged.fill(Buffer.from(memory));
      send({ memory, used }, [memory]);
    }
  } finally {
    merged.close();
  }
}

try {
  line.beat();
  const { result, gaps, rows, blobs } = read();
  send({ result, gaps });
  merge(receive<Runs>(), { rows, blobs });
} catch {
  // The other thread does it itself, and meets what there is to be met.
  send("failed");
}

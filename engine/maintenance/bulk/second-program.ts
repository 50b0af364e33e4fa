/** What the second thread runs that reads a part of the log: it loads nothing of the index but how rows are written. */

import { workerData } from "node:worker_threads";
import { nodeFileSystem } from "../../log/file.ts";
import { LogReader } from "../../log/reader.ts";
import type { Part } from "./part.ts";
import { PartReader } from "./part.ts";
import type { SecondTask } from "./second-reader.ts";
import { Shared, State } from "./second-reader.ts";
import type { Waiting } from "./sorted.ts";

const task = workerData as SecondTask;
const shared = new Int32Array(task.shared);

function setState(state: number): void {
  Atomics.store(shared, Shared.state, state);
  Atomics.notify(shared, Shared.state);
}

function onBatch(): void {
  Atomics.add(shared, Shared.beat, 1);
}

/** The memory that is handed over. */
function memoryOf(waiting: Waiting): ArrayBuffer[] {
  return "entries" in waiting ? [waiting.bytes.buffer as ArrayBuffer] : [];
}

function read(): Part {
  const { folder, identity, stretch, options } = task;
  const reader = new LogReader(nodeFileSystem, folder, identity);
  try {
    const part = new PartReader(reader, { ...options, onBatch });
    return part.end(part.read(stretch));
  } finally {
    reader.close();
  }
}

try {
  setState(State.reading);
  const part = read();
  task.port.postMessage(part, [...part.rows, ...part.blobs].flatMap(memoryOf));
  setState(State.done);
} catch {
  // The other thread reads it itself, and meets what there is to be met.
  setState(State.failed);
}

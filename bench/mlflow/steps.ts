/** What the child processes of the benchmark of MLflow do. */

import { randomBytes } from "node:crypto";
import { closeSync, createReadStream, fsyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { openStore } from "../../adapters/main.ts";
import { openClient } from "../../adapters/mlflow/client.ts";
import type { Artifacts } from "../../adapters/mlflow/protocol.ts";
import { randomPieces } from "../large/steps.ts";
import type { MlflowTask } from "../task.ts";
import type { MlflowFigures, MlflowStep } from "./figures.ts";

const PIECE_BYTES = 1024 * 1024;
const CHANGED_BYTES = 16;
const NAME = "model";
/** As the file is called, by which Python uploads it. */
const FILE_NAME = "model.onnx";

async function timed(action: () => Promise<unknown>): Promise<MlflowFigures> {
  const idle = process.memoryUsage().rss;
  const begin = performance.now();
  const used = process.cpuUsage();
  await action();
  const seconds = (performance.now() - begin) / 1_000;
  const { user, system } = process.cpuUsage(used);
  return {
    seconds,
    processor: (user + system) / 1_000_000,
    memory: process.resourceUsage().maxRSS * 1024 - idle,
  };
}

async function writeAll(
  path: string,
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  const file = openSync(path, "w");
  try {
    for await (const piece of pieces) writeSync(file, piece);
  } finally {
    closeSync(file);
  }
}

/** Connected before it is timed, as the store is opened. */
async function withArtifacts(
  { url, uri }: MlflowTask,
  action: (artifacts: Artifacts) => Promise<unknown>,
): Promise<MlflowFigures> {
  const client = await openClient({ trackingUri: url });
  await client.experiments.get("0");
  try {
    return await timed(() => action(client.artifacts(uri)));
  } finally {
    client.close();
  }
}

async function withStore(
  { url, folder }: MlflowTask,
  action: (store: Awaited<ReturnType<typeof openStore>>) => Promise<unknown>,
): Promise<MlflowFigures> {
  const store = await openStore({ home: join(folder, "home"), mlflowTrackingUri: url, environment: false });
  try {
    return await timed(() => action(store));
  } finally {
    await store.close();
  }
}

function changeSome(path: string): void {
  const file = openSync(path, "r+");
  writeSync(file, randomBytes(CHANGED_BYTES), 0, CHANGED_BYTES, 0);
  closeSync(file);
}

const steps: Record<MlflowStep, (task: MlflowTask) => Promise<MlflowFigures>> = {
  make: ({ file, size }) =>
    timed(async () => {
      await writeAll(file, randomPieces(size));
      // Nothing of it is still to be written while others are measured.
      const descriptor = openSync(file, "r+");
      fsyncSync(descriptor);
      closeSync(descriptor);
    }),
  upload: (task) =>
    withArtifacts(task, (artifacts) =>
      artifacts.put(FILE_NAME, task.size, () => createReadStream(task.file, { highWaterMark: PIECE_BYTES })),
    ),
  download: (task) => withArtifacts(task, (artifacts) => writeAll(task.target, artifacts.get(FILE_NAME))),
  save: (task) => {
    // Bytes that are there already would not be sent again.
    changeSome(task.file);
    return withStore(task, (store) => store.saveFile(NAME, task.file, { backend: "mlflow" }));
  },
  load: (task) => withStore(task, async (store) => writeAll(task.target, (await store.get(NAME)).stream())),
};

export function measureMlflowStep(task: MlflowTask): Promise<MlflowFigures> {
  return steps[task.step](task);
}

/** A worker thread that opens a store when all are there, says so, and closes it when it is told to. */
import { parentPort, workerData } from "node:worker_threads";
import { openStore } from "../../engine/main.ts";

const { home, start } = workerData as { home: string; start: Int32Array };
parentPort!.postMessage("ready");
Atomics.wait(start, 0, 0);
const store = await openStore({ home, environment: false, lockWaitMax: 20_000 });
parentPort!.once("message", async () => {
  await store.close();
  parentPort!.postMessage("closed");
});
parentPort!.postMessage("open");

/** Several threads of one process work in one home, each with a store of its own; the main thread too. */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { openStore } from "../../engine/main.ts";

/** The argument, as JSON. */
export interface WorkerProgramOptions {
  home: string;
  threads: number;
  saves: number;
}

/** What each thread tells the main one. */
export interface ThreadSaved {
  thread: number;
  saved: { version: number; sequence: number; value: string }[];
}

/** What it prints. */
export interface WorkerAnswer {
  saved: ThreadSaved[];
  violations: string[];
}

const NAME = "shared";

async function work(home: string, thread: number, saves: number): Promise<ThreadSaved> {
  const store = await openStore({ home, environment: false, minFreeSpace: 0, lockWaitMax: 30_000 });
  const saved: ThreadSaved["saved"] = [];
  for (let i = 0; i < saves; i++) {
    const values = Array.from({ length: 1 + (i % 3) }, (_, j) => `${thread}-${i}-${j}`);
    const artifacts = await Promise.all(values.map((value) => store.save(NAME, value)));
    artifacts.forEach(
      ({ version, sequence }, j) => void saved.push({ version, sequence, value: values[j]! }),
    );
    const last = saved.at(-1)!;
    if ((await store.load(`${NAME}:${last.version}`)) !== last.value) throw new Error(`lost: ${last.value}`);
    // A thread that comes and goes must not disturb the others.
    if (i === Math.floor(saves / 2))
      await (await openStore({ home, environment: false, readOnly: true })).close();
  }
  await store.close();
  return { thread, saved };
}

async function main({ home, threads, saves }: WorkerProgramOptions): Promise<WorkerAnswer> {
  const violations: string[] = [];
  const started = Array.from({ length: threads }, (_, i) => {
    // Some have much less to do: they close, and are ended, while the others work.
    const count = i === 0 ? Math.ceil(saves / 10) : saves;
    const worker = new Worker(new URL(import.meta.url), {
      workerData: { home, thread: i + 1, saves: count },
    });
    return new Promise<ThreadSaved>((resolve, reject) => {
      worker.once("error", reject);
      worker.once("message", (answer: ThreadSaved) => {
        void worker.terminate().then(() => resolve(answer));
      });
    });
  });
  const saved = await Promise.all([work(home, 0, saves), ...started]);
  const store = await openStore({ home, environment: false });
  const all = saved.flatMap((each) => each.saved).sort((a, b) => a.version - b.version);
  for (const [i, { version, value }] of all.entries()) {
    if (version !== i) violations.push(`version ${i} is missing or there twice: ${version} follows`);
    if ((await store.load(`${NAME}:${version}`)) !== value)
      violations.push(`${NAME}:${version} is not ${value}`);
  }
  for (const { thread, saved: own } of saved)
    if (own.some(({ sequence }, i) => i > 0 && sequence <= own[i - 1]!.sequence))
      violations.push(`the saves of thread ${thread} are not in their order`);
  const { ok, problems } = await store.verify({ full: true });
  if (!ok) violations.push(...problems.map(({ message }) => `verify: ${message}`));
  await store.close();
  return { saved, violations };
}

if (isMainThread) {
  console.log(JSON.stringify(await main(JSON.parse(process.argv[2]!))));
} else {
  const { home, thread, saves } = workerData as { home: string; thread: number; saves: number };
  parentPort!.postMessage(await work(home, thread, saves));
}

/** Has a store open, does nothing of its own accord, and answers each line of its input with one document. */
import { createInterface } from "node:readline";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import type { Artifact } from "../../engine/api.ts";
import type { VarveError } from "../../engine/main.ts";
import type { OpenOptions } from "../../engine/open.ts";
import { openOverSeams } from "../helpers/seam-store.ts";

type Answer = { value?: unknown; code?: string; message?: string };

async function answering(home: string, options: Partial<OpenOptions>) {
  const store = await openOverSeams(home, options);
  let list: AsyncIterator<Artifact> | undefined;
  const words: Record<string, (argument: string) => Promise<unknown>> = {
    load: (ref) => store.load(ref),
    /** Begins a list by name, and gives the first. */
    list: async (names) => {
      list = store.list({ name: names, allVersions: true })[Symbol.asyncIterator]();
      return words.next!("");
    },
    next: async () => {
      const { value, done } = await list!.next();
      if (done) return "end";
      // As a caller that looks at all that there is: the content lies in the log, as the value does.
      return [value.ref, await value.value(), Object.keys(value.metadata).length];
    },
    skip: async (count) => {
      for (let left = Number(count); left > 0; left--) await list!.next();
    },
    rest: async () => {
      const refs: string[] = [];
      for (let next = await words.next!(""); next !== "end"; next = await words.next!(""))
        refs.push((next as [string])[0]);
      return refs;
    },
    leave: async () => void (await list!.return?.()),
    close: async () => void (await store.close()),
  };
  return async (line: string): Promise<Answer> => {
    const [word, argument = ""] = line.split(" ");
    try {
      return { value: (await words[word!]!(argument)) ?? null };
    } catch (error) {
      const { code, message } = error as VarveError;
      return { code, message };
    }
  };
}

async function main(): Promise<void> {
  const [home, options, thread] = process.argv.slice(2) as [string, string, string | undefined];
  const worker = thread && new Worker(new URL(import.meta.url), { workerData: [home, options] });
  const first = worker && (await new Promise((resolve) => worker.once("message", resolve)));
  const own = worker ? undefined : await answering(home, JSON.parse(options));
  if (!worker || first === "ready") console.log(JSON.stringify({ ready: true }));
  for await (const line of createInterface({ input: process.stdin })) {
    if (worker) worker.postMessage(line);
    const answer = worker
      ? await new Promise((resolve) => worker.once("message", resolve))
      : await own!(line);
    console.log(JSON.stringify(answer));
  }
  process.exit(0);
}

if (isMainThread) await main();
else {
  const [home, options] = workerData as [string, string];
  const answer = await answering(home, JSON.parse(options));
  parentPort!.on("message", async (line: string) => parentPort!.postMessage(await answer(line)));
  parentPort!.postMessage("ready");
}

/** Has the store open while another process is stopped with its lock, and says how each call fared. One word a line is its input. */
import { createInterface } from "node:readline";
import type { ArtifactStore } from "../../engine/api.ts";
import type { VarveError } from "../../engine/main.ts";
import { openStore } from "../../engine/main.ts";

/** The argument, as JSON. */
export interface StoppedProgramOptions {
  home: string;
  lockWaitMax: number;
}

/** How a call fared, one line each. */
export interface Fared {
  milliseconds: number;
  value?: unknown;
  code?: string;
  message?: string;
}

const { home, lockWaitMax }: StoppedProgramOptions = JSON.parse(process.argv[2]!);
/** The checker leaves it alone. */
const NAME = "own-other";
let store: ArtifactStore | undefined;
let saved = 0;

const calls: Record<string, () => Promise<unknown>> = {
  async open() {
    store = await openStore({ home, lockWaitMax, environment: false, minFreeSpace: 0 });
  },
  async openReadOnly() {
    store = await openStore({ home, lockWaitMax, environment: false, readOnly: true });
  },
  async save() {
    await store!.save(NAME, ++saved);
    return saved;
  },
  load: () => store!.load(NAME),
  async list() {
    let count = 0;
    for await (const _ of store!.list({ allVersions: true })) count++;
    return count;
  },
  async close() {
    await store!.close();
  },
};

for await (const word of createInterface({ input: process.stdin })) {
  const from = performance.now();
  const fared: Fared = await calls[word]!().then(
    (value) => ({ value, milliseconds: performance.now() - from }),
    ({ code, message }: VarveError) => ({ code, message, milliseconds: performance.now() - from }),
  );
  console.log(JSON.stringify(fared));
}

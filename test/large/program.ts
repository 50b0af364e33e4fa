/**
 * Has a store open, and does what it is told, a word with arguments a line; each answer is a line. What a source gives is
 * made of a seed: `save <name> <seed> <bytes>` begins to save one that waits a MiB before its end, and `go` has it end; `open <ref>`
 * begins to read a stream, and `rest` reads it to its end.
 */
import type { Artifact } from "../../engine/api.ts";
import { answerLines } from "../helpers/answering.ts";
import { Random } from "../helpers/random.ts";
import { openOverSeams } from "../helpers/seam-store.ts";
import type { Waiting } from "./support.ts";
import { collected, digestOf, MIB, noise, restOf, waiting } from "./support.ts";

const [home, options] = process.argv.slice(2) as [string, string];
const store = await openOverSeams(home, JSON.parse(options));

let source: Waiting;
let saving: Promise<Artifact>;
let reading: ReadableStreamDefaultReader<Uint8Array>;
const read: Uint8Array[] = [];

const words: Record<string, (...given: string[]) => Promise<unknown>> = {
  async save(name, seed, bytes) {
    source = waiting(noise(new Random(name!, Number(seed)), Number(bytes)), Number(bytes) - MIB);
    saving = store.save(name!, source.source);
    saving.catch(() => {});
    await Promise.race([source.waits, saving]);
    return { waits: true };
  },
  async go() {
    source.goOn();
    const { ref, digest } = await saving;
    return { ref, digest };
  },
  async open(ref) {
    reading = (await store.get(ref!)).stream().getReader();
    read.push((await reading.read()).value!);
  },
  async rest() {
    return digestOf(Buffer.concat([...read, ...(await restOf(reading))]));
  },
  load: async (ref) => digestOf(await store.load<Uint8Array>(ref!)),
  stream: async (ref) => digestOf(await collected((await store.get(ref!)).stream())),
  has: (ref) => store.has(ref!),
  delete: (ref) => store.delete(ref!),
  compact: () => store.compact(),
  close: () => store.close(),
};

await answerLines(words);
process.exit(0);

/**
 * Has a store open, and does what it is told, a word with arguments a line; each answer is a line. `save <name> <folder>`
 * saves a folder; `halt <name> <folder>` does so up to its second group of contents, and stays there for ever.
 */
import type { Directory } from "../../engine/api.ts";
import { saveDirectory } from "../../engine/large/save-directory.ts";
import { openStore } from "../../engine/main.ts";
import { planSave, refNow, takeOptions } from "../../engine/save.ts";
import { answerLines } from "../helpers/answering.ts";
import { entriesOf } from "./directories-support.ts";
import { withCore } from "./support.ts";

const [home] = process.argv.slice(2) as [string];
const store = await openStore({ home, environment: false, durability: "buffered" });

/** Stays in the middle: resolves when it is there. */
function halted(name: string, path: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    let groups = 0;
    const room = () => {
      if (++groups === 1) return undefined;
      resolve({ groups });
      return new Promise<void>(() => {});
    };
    const saving = withCore(home, (core) => {
      const taken = takeOptions(name, {}, refNow);
      return saveDirectory(
        {
          core,
          settings: { durable: false, room },
          path,
          earlier: async () => undefined,
          plan: (planned) => planSave(core, name, planned, taken, undefined, undefined),
        },
        {},
      );
    });
    saving.then(() => reject(new Error("it came to its end")), reject);
  });
}

const words: Record<string, (...given: string[]) => Promise<unknown>> = {
  list: async (ref) => entriesOf(await store.load<Directory>(ref!)),
  async save(name, path) {
    const { ref, digest } = await store.saveDirectory(name!, path!);
    return { ref, digest };
  },
  halt: (name, path) => halted(name!, path!),
};

await answerLines(words);
await store.close();
process.exit(0);

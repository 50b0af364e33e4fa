import { createInterface } from "node:readline";
import type { VarveError } from "../../engine/errors.ts";

const say = (document: unknown) => console.log(JSON.stringify(document ?? null));

/**
 * What a program does that is told a word with arguments a line: says that it is ready, and then answers each line with
 * what the word gives, or with the error that it ends with. It ends when nothing more is told.
 */
export async function answerLines(words: Record<string, (...given: string[]) => unknown>): Promise<void> {
  say({ ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const [word, ...given] = line.split(" ") as [string, ...string[]];
    try {
      say(await words[word]!(...given));
    } catch (error) {
      const { code, message } = error as VarveError;
      say({ code, message });
    }
  }
}

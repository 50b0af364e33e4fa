/** Examines damaged stores, one for each line it is told; it may die of them. */
import { readFileSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import type { ExamineOptions } from "./damage-examine.ts";
import { examine, inWords } from "./damage-examine.ts";
import type { ExpectedFile } from "./damage-material.ts";
import { readExpected } from "./damage-material.ts";

interface Task {
  home: string;
  expected: string;
  options: ExamineOptions;
}

const say = (document: object) => writeSync(1, `${JSON.stringify(document)}\n`);

/** What nobody caught would have ended the user's process. */
let uncaught: string[] = [];
process.on("uncaughtException", (error) => uncaught.push(`uncaught: ${inWords(error)}`));

for await (const line of createInterface({ input: process.stdin })) {
  const { home, expected, options }: Task = JSON.parse(line);
  uncaught = [];
  const known = readExpected(JSON.parse(readFileSync(expected, "utf8")) as ExpectedFile);
  const { right, lost, violations, ...found } = await examine(home, known, {
    ...options,
    onCall: (call) => say({ call }),
  });
  // What is thrown in a callback comes a moment later.
  await new Promise((resolve) => setTimeout(resolve, 5));
  say({ found: { ...found, right: right.size, lost: [...lost], violations: [...violations, ...uncaught] } });
}
process.exit(0);

/** Writes to an environment until it is killed. */
import { writeSync } from "node:fs";
import { Random } from "../helpers/random.ts";
import { history, openEnvironment } from "./inspect-history.ts";

const [folder, seed] = process.argv.slice(2) as [string, string];
const environment = openEnvironment(folder);
const random = new Random("writer", Number(seed));
writeSync(1, `${JSON.stringify({ ready: true })}\n`);
for (;;) for (const _ of history(environment, random, 40));

/** Reads and saves without end in a home that another process repairs. */
import { createInterface } from "node:readline";
import { openStore } from "../../engine/main.ts";
import { until } from "../helpers/time.ts";

const [home] = process.argv.slice(2) as [string];
// What it read once is to be read again.
const store = await openStore({ home, environment: false, cacheSize: 0 });
const names = ["n/0", "n/9"];
for (const name of names) await store.load(name);
let saved = 0;
let isEnding = false;
let corrupt = 0;
const failed: string[] = [];

async function saveOn(): Promise<void> {
  while (!isEnding) {
    await store.save("other", saved).then(
      () => saved++,
      (error) => failed.push(String(error)),
    );
    await store.load("n/0").catch((error) => {
      if (error.code === "CORRUPTION") corrupt++;
      else failed.push(String(error));
    });
    await store.load(`other:${saved - 1}`).catch((error) => failed.push(String(error)));
  }
}

console.log("{}");
let saving: Promise<void> | undefined;
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "save") {
    saving = saveOn();
    await until("some are saved", () => saved >= 3);
    console.log("{}");
    continue;
  }
  isEnding = true;
  await saving;
  const values = await Promise.all(names.map((name) => store.load(name).catch(String)));
  console.log(JSON.stringify({ saved, values, failed, corrupt }));
}
await store.close();

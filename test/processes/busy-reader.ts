/** Loads refs over and over until told to stop, and counts what differed from the first time. */
import { openStore } from "../../engine/main.ts";

const [home, ...refs] = process.argv.slice(2) as [string, ...string[]];
const store = await openStore({ home, environment: false });
const right = new Map<string, string>();
for (const ref of refs) right.set(ref, JSON.stringify(await store.load(ref)));
console.log(JSON.stringify({ ready: true }));

let stopped = false;
process.stdin.once("data", () => {
  stopped = true;
});
let reads = 0;
const wrong: string[] = [];
while (!stopped) {
  for (const ref of refs) {
    const value = await store.load(ref).then(JSON.stringify, (error: Error) => error.message);
    reads++;
    if (value !== right.get(ref)) wrong.push(`${ref}: ${value}`);
  }
  if (reads % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
}
await store.close();
console.log(JSON.stringify({ reads, wrong: wrong.slice(0, 5) }));
process.stdin.destroy();

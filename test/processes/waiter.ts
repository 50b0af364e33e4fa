/** In a loop that awaits nothing but loads, until the value is the wanted one; it gives up after a minute. */
import { openStore } from "../../engine/main.ts";

const [home, name, wanted] = process.argv.slice(2) as [string, string, string];
const store = await openStore({ home, environment: false });
await store.load(name);
console.log(JSON.stringify({ ready: true }));
let loads = 0;
const end = performance.now() + 60_000;
while ((await store.load(name)) !== wanted) {
  loads++;
  if (performance.now() > end) throw new Error(`it never sees ${wanted}`);
}
console.log(JSON.stringify({ loads }));
await store.close();

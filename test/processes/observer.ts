/** Watches one name until told to stop: what it sees must only grow, and never change. */
import { openStore } from "../../engine/main.ts";

const [home, name, options] = process.argv.slice(2) as [string, string, string];
const store = await openStore({ home, environment: false, ...JSON.parse(options) });
const seen = new Map<number, string>();
const wrong: string[] = [];
let latest = -1;
let stopped = false;
process.stdin.once("data", () => {
  stopped = true;
});
console.log(JSON.stringify({ ready: true }));
for (let i = 0; !stopped; i++) {
  const found = await store.find(name);
  if (found) {
    const value = await found.value<string>();
    if (found.version < latest) wrong.push(`latest went back from ${latest} to ${found.version}`);
    latest = found.version;
    const known = seen.get(found.version);
    if (known !== undefined && known !== value) wrong.push(`${found.ref} changed from ${known} to ${value}`);
    seen.set(found.version, value);
    // Everything below the latest is there, whole, in order.
    const below = found.version - (i % 20);
    if (below >= 0 && !(await store.has(`${name}:${below}`)))
      wrong.push(`${name}:${below} is missing below ${found.ref}`);
  }
  if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
}
await store.close();
console.log(JSON.stringify({ seen: [...seen], wrong: wrong.slice(0, 5) }));
process.stdin.destroy();

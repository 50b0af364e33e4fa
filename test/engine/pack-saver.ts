/**
 * Opens a store, and saves and deletes under a name of its own until a line comes; then it says how many it has saved and
 * which of them are there, and ends.
 */
import { createInterface } from "node:readline";
import { setImmediate as nextTurn } from "node:timers/promises";
import { openTestStore } from "../helpers/stores.ts";

const [home, name] = process.argv.slice(2) as [string, string];
const store = await openTestStore(home, { durability: "buffered" });
const told = createInterface({ input: process.stdin })[Symbol.asyncIterator]().next();
let isOver = false;
void told.then(() => {
  isOver = true;
});
const live: number[] = [];
let saved = 0;
console.log(JSON.stringify({ open: true }));
while (!isOver) {
  await nextTurn();
  await Promise.all([0, 1, 2, 3].map((i) => store.save(name, { name, n: saved + i })));
  for (let i = 0; i < 4; i++) live.push(saved + i);
  saved += 4;
  if (saved % 16 === 0) await store.delete(`${name}:${live.splice(live.length >> 1, 1)[0]}`);
}
await store.close();
console.log(JSON.stringify({ saved, live }));
process.exit(0);

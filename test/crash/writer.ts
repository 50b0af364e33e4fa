/**
 * Saves to shared names until it is killed. Before each save it prints what it is about to save, after it what was
 * acknowledged: what is printed is in the pipe, whatever happens to this process.
 */
import { writeSync } from "node:fs";
import { openStore } from "../../engine/main.ts";

const [home, who, names, seed] = process.argv.slice(2) as [string, string, string, string];
const store = await openStore({ home, environment: false, durability: who === "b" ? "buffered" : "durable" });

let state = Number(seed);
const random = (below: number) => {
  state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
  return state % below;
};
const say = (document: object) => writeSync(1, `${JSON.stringify(document)}\n`);

say({ ready: true });
for (let i = 0; ; i++) {
  const burst = Array.from({ length: 1 + random(8) }, async (_, j) => {
    const name = `n${random(Number(names))}`;
    const id = `${who}${seed}-${i}-${j}`;
    const value = { id, text: "x".repeat(random(20) === 0 ? 100_000 : random(600)) };
    if (random(10) === 0) {
      const saved = await store.batch((batch) => {
        batch.save(name, value);
        batch.save(`${name}/twin`, value);
      });
      for (const { ref } of saved) say({ ref, id, length: value.text.length });
      return;
    }
    const { ref } = await store.save(name, value);
    say({ ref, id, length: value.text.length });
  });
  await Promise.all(burst);
  await new Promise((resolve) => setTimeout(resolve, random(15)));
}

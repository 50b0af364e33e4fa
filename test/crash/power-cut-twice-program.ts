import { openStore } from "../../engine/main.ts";

/** A process that has one home open twice, once read-only, and uses both at once. Argument: the home. */

const [home] = process.argv.slice(2) as [string];

/** Other threads go on meanwhile, and take what they wait for. */
function spin(milliseconds: number): void {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}

async function main(): Promise<void> {
  const store = await openStore({ home, environment: false });
  await store.save("a", 0);
  const reader = await openStore({ home, environment: false, readOnly: true });
  let saved = 1;
  for (let i = 0; i < 40; i++) {
    await reader.load("a");
    // The reader goes over to the new index, and lets go of the old one, while the other one saves.
    await store.rebuildIndex();
    await reader.load("a");
    for (let turn = i % 5; turn > 0; turn--) await new Promise<void>((resolve) => setImmediate(resolve));
    spin((i % 4) / 2);
    await store.save("a", saved++);
  }
  await reader.close();
  await store.close();
  process.stdout.write(`${JSON.stringify({ saved })}\n`);
}

await main();

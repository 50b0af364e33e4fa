/** Makes the index of a home anew whenever it is told to. */
import { openStore } from "../../engine/main.ts";

const store = await openStore({ home: process.argv[2]!, environment: false });
console.log(JSON.stringify({ ready: true }));
for await (const _ of process.stdin) {
  await store.rebuildIndex();
  console.log(JSON.stringify({ rebuilt: true }));
}
await store.close();

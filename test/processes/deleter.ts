/** Deletes the version that it is told of, and compacts it away. */
import { createInterface } from "node:readline";
import { openStore } from "../../engine/main.ts";

const store = await openStore({ home: process.argv[2]!, environment: false });
console.log(JSON.stringify({ ready: true }));
for await (const ref of createInterface({ input: process.stdin })) {
  await store.delete(ref);
  await store.compact();
  console.log(JSON.stringify({ gone: ref }));
}
await store.close();

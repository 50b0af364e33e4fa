import { setTimeout as sleep } from "node:timers/promises";
import { noise } from "../conformance/store-support.ts";
import type { Parts } from "./stores.ts";
import { TestPlace } from "./stores.ts";

/** Saves, deletes and compacts until it is killed, and prints what it was told is there. */

const [, , folder, metadata, blobs, tree, seed] = process.argv as [string, string, string, ...string[]];
const place = new TestPlace({ metadata, blobs } as Parts, folder);
// Short enough for compactions to remove something, and long enough for saves to come through.
const store = await place.open({ durable: true, graceMilliseconds: 600 });

function tell(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

tell({ ready: true });
async function work(id: number): Promise<void> {
  for (let i = 0; ; i++) {
    const number = Number(seed) + id * 1_000 + i;
    const { ref } = await store.save(`w${id}`, noise(i % 5 === 0 ? 1_100_000 : 2_000, number));
    tell({ ref, number, size: i % 5 === 0 ? 1_100_000 : 2_000 });
    if (i % 3 === 1) tell({ tree: (await store.saveDirectory(`t${id}`, tree!)).ref });
    if (i % 4 === 2) {
      tell({ gone: ref });
      await store.delete(ref);
    }
    if (i % 4 === 3) {
      await store.batch((batch) => {
        const pending = batch.save(`b${id}`, i);
        batch.setAlias(`b${id}`, "last", pending);
      });
    }
  }
}
async function compact(): Promise<void> {
  for (;;) {
    await store.compact();
    await sleep(40);
  }
}
await Promise.all([work(0), work(1), work(2), compact()]);

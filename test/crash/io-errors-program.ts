import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ArtifactStore } from "../../engine/api.ts";
import { openStore } from "../../engine/main.ts";

/**
 * A process that runs out of file descriptors: uses a store with none left, then one, and so on, and says what each
 * call did. Arguments: the home, and a second one that is not there yet.
 */

const [home, second] = process.argv.slice(2) as [string, string];
const VALUE = "v".repeat(100_000);

function tell(document: unknown): void {
  process.stdout.write(`${JSON.stringify(document)}\n`);
}

function takeAll(): number[] {
  const taken: number[] = [];
  for (;;) {
    try {
      taken.push(openSync("/dev/null", "r"));
    } catch {
      return taken;
    }
  }
}

const calls: Record<string, (store: ArtifactStore) => Promise<unknown>> = {
  save: (store) => store.save("scarce", 1),
  "save a file": (store) => store.saveFile("file", join(home, "file")),
  load: async (store) => (await store.load("big")) === VALUE || Promise.reject(new Error("a wrong value")),
  list: async (store) => {
    for await (const artifact of store.list()) await artifact.bytes();
  },
  verify: (store) => store.verify(),
  rebuild: (store) => store.rebuildIndex(),
  "open another": async () => (await openStore({ home: second, environment: false })).close(),
};

async function main(): Promise<void> {
  const made = await openStore({ home, environment: false });
  await made.save("big", VALUE);
  await made.close();
  writeFileSync(join(home, "file"), "file");
  const store = await openStore({ home, environment: false });
  let saved = 0;
  const taken = takeAll();
  tell({ taken: taken.length });
  for (let free = 0; free < 12; free++) {
    for (const [name, call] of Object.entries(calls)) {
      const outcome = await call(store).then(
        () => ({ name, free }),
        (error) => ({
          name,
          free,
          error: error.name,
          code: error.code,
          outcome: error.outcome,
          message: String(error),
        }),
      );
      if (name === "save" && !("error" in outcome)) saved++;
      tell(outcome);
    }
    closeSync(taken.pop()!);
  }
  for (const fd of taken) closeSync(fd);
  await store.save("after", 1);
  const { ok } = await store.verify();
  const versions = (await store.get("scarce").catch(() => undefined))?.version;
  await store.close();
  tell({ end: true, ok, saved, versions: versions === undefined ? 0 : versions + 1 });
}

await main();

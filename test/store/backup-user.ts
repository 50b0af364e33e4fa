/**
 * Works in a home until its standard input ends, and tells what it did and what was acknowledged: saves and deletes under
 * a name of its own, or compacts.
 */
import { VarveError } from "../../engine/errors.ts";
import { openOverSeams } from "../helpers/seam-store.ts";
import { textOf } from "./backup-support.ts";

const [home, name] = process.argv.slice(2) as [string, string];
const store = await openOverSeams(home, { segmentBytesMax: 20_000, lockWaitMax: 60_000 });
const tell = (document: object) => console.log(JSON.stringify(document));
let ended = false;
process.stdin.on("end", () => (ended = true)).resume();
tell({ open: true });

async function save(n: number): Promise<void> {
  const { sequence } = await store.save(name, textOf(name, n));
  tell({ saved: n, sequence });
  if (n % 3 === 2) {
    await store.delete(`${name}:${n - 1}`);
    tell({ deleted: n - 1 });
  }
}

async function compact(): Promise<void> {
  try {
    const { segments } = await store.compact();
    tell({ segments });
  } catch (error) {
    if (!(error instanceof VarveError && error.code === "CONFLICT")) throw error;
  }
}

for (let n = 0; !ended; n++) {
  await (name === "compact" ? compact() : save(n));
  await new Promise((resolve) => setTimeout(resolve, name === "compact" ? 20 : 1));
}
await store.close();

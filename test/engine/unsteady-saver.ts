/**
 * Saves values of its own for some milliseconds, and until some are acknowledged, over a disk whose syncs fail now and then, and prints what came of each:
 * acknowledged with its version, rejected with the outcome open, or rejected as not written.
 */
import { systemError, WatchedFiles } from "../helpers/files.ts";
import { Random } from "../helpers/random.ts";
import { openSeamStore } from "../helpers/stores.ts";

const [home, who, milliseconds, seed, durability] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  "durable" | "buffered",
];
const random = new Random("unsteady", Number(seed));
const files = new WatchedFiles();
type Told = {
  value: string;
  name: string;
  version?: number;
  outcome: "done" | "unknown" | "none";
  code?: string;
};
const told: Told[] = [];
let failures = 0;
let next = 0;
const open = () => openSeamStore(home, { files, segmentBytesMax: 20_000 }, durability);
let store = await open();
files.onSync = (path) => {
  if (random.below(path.endsWith(".varve") ? 8 : 40) === 0) throw systemError("EIO", "fdatasync");
};
files.onSyncFolder = () => {
  if (random.below(20) === 0) throw systemError("EIO", "fsync");
};
console.log(JSON.stringify({ ready: true }));
await new Promise((resolve) => process.stdin.once("data", resolve));
const until = Date.now() + Number(milliseconds);
/** However busy the machine is. */
const ACKNOWLEDGED_MIN = 10;
const GIVEN_UP_MILLISECONDS = 60_000;

function goesOn(): boolean {
  if (Date.now() < until) return true;
  const acknowledged = told.filter(({ outcome }) => outcome === "done").length;
  return acknowledged < ACKNOWLEDGED_MIN && Date.now() < until + GIVEN_UP_MILLISECONDS;
}

async function save(): Promise<void> {
  const value = `${who}-${next++}-${"x".repeat(random.below(300))}`;
  const name = `n${random.below(5)}`;
  try {
    const { version } = await store.save(name, value);
    told.push({ value, name, version, outcome: "done" });
  } catch (error) {
    const { code, outcome } = error as { code: string; outcome?: "unknown" };
    told.push({ value, name, outcome: outcome ?? "none", code });
    failures++;
  }
}

while (goesOn()) {
  await Promise.all(Array.from({ length: 1 + random.below(6) }, save));
  if (failures === 0) continue;
  // A process whose procedure failed writes nothing more: it begins anew.
  failures = 0;
  await store.close().catch(() => {});
  store = await open();
}
files.onSync = files.onSyncFolder = undefined;
await store.close().catch(() => {});
console.log(JSON.stringify(told));
process.stdin.destroy();

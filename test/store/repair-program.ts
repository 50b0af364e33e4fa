/** Repairs a home from a backup, and ends itself at the call of the seam to the disk that it is told. */
import { openOverSeams } from "../helpers/seam-store.ts";
import { CHANGING, steppingFiles } from "../helpers/stepping-files.ts";

const [home, backup, last] = process.argv.slice(2) as [string, string, string];
let left = Number.POSITIVE_INFINITY;

function step(): void {
  if (--left === 0) process.kill(process.pid, "SIGKILL");
}

const files = steppingFiles(CHANGING, { after: step });
const store = await openOverSeams(home, { files });
left = Number(last);
const { ok } = await store.repair({ from: backup });
// What is left of the count tells how many calls there were.
console.log(JSON.stringify({ ok, calls: Number(last) - left }));
left = Number.POSITIVE_INFINITY;
await store.close();

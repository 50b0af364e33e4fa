/** Backs a home up, and ends itself at the call of the seam to the disk that it is told. */

import { openOverSeams } from "../helpers/seam-store.ts";
import { CHANGING, steppingFiles } from "../helpers/stepping-files.ts";
import { UnlinkedFiles } from "./backup-support.ts";

const [home, backup, last, disks] = process.argv.slice(2) as [string, string, string, string];
let left = Number.POSITIVE_INFINITY;

function step(): void {
  if (--left === 0) process.kill(process.pid, "SIGKILL");
}

const disk = disks === "two disks" ? new UnlinkedFiles() : undefined;
const files = steppingFiles(CHANGING, { after: step }, disk);
const store = await openOverSeams(home, { files, readOnly: true });
left = Number(last);
const { sequence } = await store.backup(backup);
// What is left of the count tells how many calls there were.
console.log(JSON.stringify({ sequence, calls: Number(last) - left }));
left = Number.POSITIVE_INFINITY;
await store.close();

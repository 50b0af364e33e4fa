/** The indexes of a store that is closed: taken away and put back, so that each measurement meets the one it is about. */

import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";

const indexesIn = async (home: string): Promise<string[]> =>
  (await readdir(home)).filter((name) => name.startsWith("index-"));

/** What only holds while the system runs: without it an index counts by what its own mark says. */
const forgetBoot = (home: string) => rm(join(home, "lock"), { recursive: true, force: true });

/** Moves the index out of the store. Renamed, not copied: a copy is trusted by nobody. */
export async function takeIndex(home: string, into: string): Promise<void> {
  await mkdir(into, { recursive: true });
  for (const name of await indexesIn(home)) await rename(join(home, name), join(into, name));
  await forgetBoot(home);
}

export async function dropIndex(home: string): Promise<void> {
  for (const name of await indexesIn(home)) await rm(join(home, name), { recursive: true });
  await forgetBoot(home);
}

/** Instead of the one that is there. */
export async function putIndex(home: string, from: string): Promise<void> {
  await dropIndex(home);
  for (const name of await indexesIn(from)) await rename(join(from, name), join(home, name));
}

import { statSync } from "node:fs";
import { join } from "node:path";
import { bornAt } from "../../engine/index/boot.ts";
import { indexFolder, listGenerations } from "../../engine/maintenance/home.ts";

/** The folder of the newest index of a home. */
export function newestIndex(home: string): string {
  return indexFolder(home, Math.max(...listGenerations(home)));
}

/** What a mark must say of the index in `folder`, so that it is not taken for one that was copied. */
export function placeOf(folder: string): { device: number; inode: number; born: string } {
  const path = join(folder, "data.mdb");
  const { dev, ino } = statSync(path);
  return { device: dev, inode: ino, born: bornAt(path) };
}

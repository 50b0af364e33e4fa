import { readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import { flipByte, marked } from "../helpers/damage.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { openSeamStore } from "../helpers/stores.ts";

export const COUNT = 10;

/** Of the steps at which a repair fails or is killed, every so many-th; 1 takes minutes. */
export const STRIDE = Number(process.env.VARVE_TEST_REPAIR_STRIDE ?? 5);

/** Ten artifacts `n/0` … `n/9`, by default in one segment, closed in order, and a backup of it. */
export async function filledHome(segmentBytesMax?: number): Promise<{ home: string; backup: string }> {
  const home = newFolder();
  const store = await openSeamStore(home, segmentBytesMax === undefined ? {} : { segmentBytesMax });
  for (let n = 0; n < COUNT; n++) await store.save(`n/${n}`, marked(n), { tags: { n: String(n) } });
  await store.close();
  return { home, backup: copyHome(home) };
}

export async function isWhole(store: ArtifactStore, but: number[] = []): Promise<void> {
  for (let n = 0; n < COUNT; n++) {
    if (but.includes(n)) continue;
    assert.is(await store.load(`n/${n}`), marked(n), `n/${n}`);
    assert.equal((await store.get(`n/${n}`)).tags, { n: String(n) });
  }
}

/** The byte before the value is one of the digest in the blob's header. */
export function damageBatch(file: string, n: number): void {
  flipByte(file, readFileSync(file).indexOf(marked(n).slice(0, 9)) - 10);
}

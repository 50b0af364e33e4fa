import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import { Catalog } from "../../engine/index/catalog.ts";
import { LiveIndex } from "../../engine/maintenance/live-index.ts";
import type { OpenOptions } from "../../engine/open.ts";
import { newFolder } from "../helpers/folders.ts";
import { openSeamStore } from "../helpers/stores.ts";

/** Homes whose index is worth packing, and stores that do it soon. */

/** Enough that its pages are worth packing. */
export const ARTIFACTS = 2_000;
export const PACKING = { look: 20, bytesMin: 256 * 1024, growth: 1.5 };

const { append } = Catalog.prototype;
const { pack } = LiveIndex.prototype;

/** For `after.each`. */
export function leaveAlone(): void {
  Catalog.prototype.append = append;
  LiveIndex.prototype.pack = pack;
}

/** What is saved last begins it: a moment later nobody writes any more. */
export async function openToPack(home: string, options: Partial<OpenOptions> = {}): Promise<ArtifactStore> {
  const store = await openSeamStore(home, { packing: PACKING, ...options }, "buffered");
  await store.save("last", Date.now());
  return store;
}

/** Rows of the index come in any order. It is not packed meanwhile. */
export async function fill(home: string, count = ARTIFACTS, from = 0): Promise<void> {
  const store = await openSeamStore(home, {}, "buffered");
  for (let first = from; first < from + count; first += 500)
    await store.batch((batch) => {
      for (let i = first; i < Math.min(first + 500, from + count); i++) batch.save(`n${i % 3}`, { i });
    });
  await store.close();
}

export async function filledHome(): Promise<string> {
  const home = newFolder();
  await fill(home);
  return home;
}

export async function check(store: ArtifactStore, count = ARTIFACTS): Promise<void> {
  for (let i = 0; i < count; i += 7) assert.equal(await store.load(`n${i % 3}:${Math.floor(i / 3)}`), { i });
  assert.equal((await store.verify({ full: true })).problems, []);
}

/** Runs `during` once rows are put into a packed index. */
export function whilePacking(during: () => void): void {
  Catalog.prototype.append = function (key, value) {
    Catalog.prototype.append = append;
    during();
    return append.call(this, key, value);
  };
}

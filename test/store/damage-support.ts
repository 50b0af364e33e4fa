import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import { marked } from "../helpers/damage.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { openSeamStore } from "../helpers/stores.ts";

/** Ten artifacts `n/0` … `n/9`, by default in one segment; closed in order. */
export async function filledHome(segmentBytesMax?: number): Promise<string> {
  const home = newFolder();
  const store = await openSeamStore(home, segmentBytesMax === undefined ? {} : { segmentBytesMax });
  for (let n = 0; n < 10; n++) await store.save(`n/${n}`, marked(n));
  await store.close();
  return home;
}

/** Everything but the given ones loads rightly, the given ones are CORRUPTION, and saving goes on. */
export async function usableBut(store: ArtifactStore, damaged: number[]): Promise<void> {
  for (let n = 0; n < 10; n++) {
    if (damaged.includes(n)) await failureWithHint(store.load(`n/${n}`), "CORRUPTION");
    else assert.is(await store.load(`n/${n}`), marked(n), `n/${n}`);
  }
  const { version } = await store.save("later", "fine");
  assert.is(await store.load(`later:${version}`), "fine");
}

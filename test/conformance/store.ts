import { changeTests } from "./store-changes.ts";
import { directoryTests } from "./store-directories.ts";
import { historyTests } from "./store-history.ts";
import { listTests } from "./store-lists.ts";
import { saveTests } from "./store-saves.ts";
import { spaceTests } from "./store-space.ts";
import type { StoreTesting } from "./store-support.ts";
import { valueTests } from "./store-values.ts";

export type { OpenedStore, StoreTesting, StoreTestOptions } from "./store-support.ts";

/**
 * The conformance suite of `ArtifactStore`: what a store does wherever its metadata and its values are. It registers a test for
 * each promise; each makes a store of its own and closes it.
 */
export function storeConformance(testing: StoreTesting): void {
  valueTests(testing);
  saveTests(testing);
  listTests(testing);
  changeTests(testing);
  directoryTests(testing);
  spaceTests(testing);
  historyTests(testing);
}

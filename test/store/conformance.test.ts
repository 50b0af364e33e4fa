import { suite } from "uvu";
import type { OpenedStore, StoreTestOptions } from "../conformance/store.ts";
import { storeConformance } from "../conformance/store.ts";
import { newFolder } from "../helpers/folders.ts";
import { closeAll, closeStores, openTestStore } from "../helpers/stores.ts";

const test = suite("the embedded store as all stores");
test.after.each(closeAll);

async function open(options: StoreTestOptions = {}): Promise<OpenedStore> {
  const home = newFolder();
  const again = (more: StoreTestOptions = {}) => openTestStore(home, { durability: "buffered", ...more });
  return { store: await again(options), again, settle: async () => {}, close: closeStores };
}

storeConformance({ test, open });
test.run();

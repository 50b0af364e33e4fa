import { suite } from "uvu";
import { openEmbeddedMetadata } from "../../engine/composed/embedded-metadata.ts";
import { metadataStoreConformance } from "../conformance/metadata-store.ts";
import { fastFolder, newFolder, removeFolders } from "../helpers/folders.ts";
import "../helpers/whole-suites.ts";

const test = suite("metadata: embedded");
test.after.each(removeFolders);

metadataStoreConformance({
  test,
  async open() {
    const home = newFolder(fastFolder());
    const again = () => openEmbeddedMetadata(home);
    const store = await again();
    const handles = [store];
    return {
      store,
      async again() {
        const handle = await again();
        handles.push(handle);
        return handle;
      },
      async close() {
        await Promise.all(handles.map((handle) => handle.close()));
      },
    };
  },
});

test.run();

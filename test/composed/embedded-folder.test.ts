import { suite } from "uvu";
import { storeConformance } from "../conformance/store.ts";
import { removeFolders } from "../helpers/folders.ts";
import "../helpers/whole-suites.ts";
import { openComposed } from "./stores.ts";

const test = suite("a store over the engine and a folder");
test.after.each(removeFolders);
storeConformance({
  test,
  open: (options) => openComposed({ metadata: "embedded", blobs: "folder" }, options),
});
test.run();

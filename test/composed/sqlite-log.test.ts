import { suite } from "uvu";
import { storeConformance } from "../conformance/store.ts";
import { removeFolders } from "../helpers/folders.ts";
import "../helpers/whole-suites.ts";
import { openComposed } from "./stores.ts";

const test = suite("a store over SQLite and the log");
test.after.each(removeFolders);
storeConformance({ test, open: (options) => openComposed({ metadata: "sqlite", blobs: "log" }, options) });
test.run();

import { suite } from "uvu";
import { metadataStoreConformance } from "../conformance/metadata-store.ts";
import "../helpers/whole-suites.ts";
import { endAll, openFresh, sqlitePlace } from "./support.ts";

const test = suite("metadata: the port, SQLite");
test.after.each(endAll);

metadataStoreConformance({ test, open: async () => openFresh(await sqlitePlace()) });

test.run();

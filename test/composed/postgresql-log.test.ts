import { suite } from "uvu";
import { storeConformance } from "../conformance/store.ts";
import { removeFolders } from "../helpers/folders.ts";
import "../helpers/whole-suites.ts";
import { hasService } from "../services/services.ts";
import { openOnServer } from "./on-server.ts";

const NAME = "a store over PostgreSQL and a log";
const test = suite(NAME);
test.after.each(removeFolders);

if (hasService("postgresql", NAME))
  storeConformance({ test, open: (options) => openOnServer("postgresql", "log", options) });

test.run();

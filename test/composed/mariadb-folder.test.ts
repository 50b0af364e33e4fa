import { suite } from "uvu";
import { storeConformance } from "../conformance/store.ts";
import { removeFolders } from "../helpers/folders.ts";
import "../helpers/whole-suites.ts";
import { hasService } from "../services/services.ts";
import { openOnServer } from "./on-server.ts";

const NAME = "a store over MariaDB and a folder";
const test = suite(NAME);
test.after.each(removeFolders);

if (hasService("mariadb", NAME))
  storeConformance({ test, open: (options) => openOnServer("mariadb", "folder", options) });

test.run();

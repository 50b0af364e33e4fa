import { suite } from "uvu";
import { metadataStoreConformance } from "../conformance/metadata-store.ts";
import "../helpers/whole-suites.ts";
import { hasService } from "../services/services.ts";
import { endAll, openFresh, servicePlace } from "./support.ts";

const NAME = "metadata: the port, MariaDB";
const test = suite(NAME);
test.after.each(endAll);

if (hasService("mariadb", NAME))
  metadataStoreConformance({ test, open: async () => openFresh(await servicePlace("mariadb")) });

test.run();

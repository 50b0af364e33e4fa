/** Makes the golden home whose values are elsewhere, where there is none: `node --import tsx test/golden/make-elsewhere.ts`. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openEmbeddedMetadata } from "../../engine/composed/embedded-metadata.ts";
import { contentsElsewhere, fillElsewhere } from "./elsewhere-contents.ts";

const home = join(import.meta.dirname, "elsewhere", "home");
if (existsSync(home)) throw new Error(`${home} is there already`);
mkdirSync(home, { recursive: true });
const metadata = await openEmbeddedMetadata(home, { segmentBytesMax: 1_024 });
await fillElsewhere(metadata);
const contents = JSON.stringify(await contentsElsewhere(metadata), undefined, 2);
writeFileSync(join(home, "..", "contents.json"), `${contents}\n`);
await metadata.close();
// Only the log is the format; the index is made from it.
for (const name of ["lock", "index-1"]) rmSync(join(home, name), { recursive: true, force: true });

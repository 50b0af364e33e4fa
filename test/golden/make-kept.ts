/** Makes the golden home of which a backend keeps some values, where there is none: `node --import tsx test/golden/make-kept.ts`. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore } from "../../engine/main.ts";
import { contentsKept, fillKept, overServer, settings } from "./kept-contents.ts";

const home = join(import.meta.dirname, "kept", "home");
if (existsSync(home)) throw new Error(`${home} is there already`);
mkdirSync(home, { recursive: true });
const folder = mkdtempSync(join(tmpdir(), "varve-golden-"));
writeFileSync(join(folder, "MLmodel"), "flavors: {}\n");
mkdirSync(join(folder, "empty"));
writeFileSync(join(folder, "run.sh"), "#!/bin/sh\n", { mode: 0o755 });
const store = await openStore({ home, ...settings }, overServer);
await fillKept(store, folder);
writeFileSync(
  join(home, "..", "contents.json"),
  `${JSON.stringify(await contentsKept(store), undefined, 2)}\n`,
);
await store.close();
rmSync(folder, { recursive: true });
// Only the log is the format; the index is made from it.
for (const name of ["lock", "index-1", "config.json"])
  rmSync(join(home, name), { recursive: true, force: true });

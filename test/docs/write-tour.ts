/** Writes the outputs of README's command-line tours anew: `node --import tsx test/docs/write-tour.ts`. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fencesOf, readDocument, root } from "./documents.ts";
import { InstalledPackage } from "./installed-package.ts";
import { anonymous, runTour, stepsOf } from "./tour.ts";

let readme = readDocument("README.md");
const installed = await InstalledPackage.install();
for (const { language, name, text } of fencesOf(readme)) {
  if (language !== "console") continue;
  const ran = await runTour(stepsOf(text), installed, name);
  const written = ran.map(({ command, output }) => `$ ${command}\n${output}`).join("");
  readme = readme.replace(text, () => anonymous(written));
}
installed.remove();
writeFileSync(join(root, "README.md"), readme);

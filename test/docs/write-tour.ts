/** Writes the outputs of README's command-line tour anew: `node --import tsx test/docs/write-tour.ts`. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fencesOf, readDocument, root } from "./documents.ts";
import { InstalledPackage } from "./installed-package.ts";
import { anonymous, runTour, stepsOf } from "./tour.ts";

const readme = readDocument("README.md");
const tour = fencesOf(readme).find(({ language }) => language === "console")!;
const installed = await InstalledPackage.install();
const ran = await runTour(stepsOf(tour.text), installed);
installed.remove();
const text = ran.map(({ command, output }) => `$ ${command}\n${output}`).join("");
writeFileSync(
  join(root, "README.md"),
  readme.replace(tour.text, () => anonymous(text)),
);

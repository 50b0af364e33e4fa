/**
 * Writes the outputs of README's command-line tours anew: `node --import tsx test/docs/write-tour.ts [name…]`, of all or
 * of those named. That of MLflow needs the servers of `test/services/`; else it stays as it is.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { hasService } from "../services/services.ts";
import { fencesOf, readDocument, root } from "./documents.ts";
import { InstalledPackage } from "./installed-package.ts";
import { MLFLOW_TOUR, runMlflowTour } from "./mlflow-tour.ts";
import { anonymous, runTour, stepsOf } from "./tour.ts";

let readme = readDocument("README.md");
const installed = await InstalledPackage.install();
const fences = fencesOf(readme);
const asked = process.argv.slice(2);
for (const { language, name, text } of fences) {
  if (language !== "console" || (asked.length > 0 && !asked.includes(name))) continue;
  const isMlflow = name === MLFLOW_TOUR;
  if (isMlflow && !hasService("mlflow", "the tour of MLflow")) continue;
  const ran = isMlflow
    ? await runMlflowTour(fences, installed)
    : await runTour(stepsOf(text), installed, name);
  const written = ran.map(({ command, output }) => `$ ${command}\n${output}`).join("");
  readme = readme.replace(text, () => anonymous(written));
}
installed.remove();
writeFileSync(join(root, "README.md"), readme);

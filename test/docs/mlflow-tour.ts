/** README's page on models in MLflow: a server, Python and the package, as whoever reads it may have them. */

import { dirname } from "node:path";
import { mlflowUrl, ownMlflow } from "../services/mlflow.ts";
import { PYTHON, quietMlflow } from "../services/python.ts";
import type { Fence } from "./documents.ts";
import type { InstalledPackage } from "./installed-package.ts";
import { masked, runTour, type Step, stepsOf } from "./tour.ts";

export const MLFLOW_TOUR = "mlflow";

/** What differs with the server, and with the versions of Python and its packages. */
export function maskedMlflow(output: string): string {
  return masked(output)
    .replace(/http:\/\/127\.0\.0\.1:\d+/g, "<server>")
    .replace(/\bMLflow \d+\.\d+\.\d+/g, "MLflow <version>")
    .replace(/\bsha256:[0-9a-f]{64}\b/g, "<digest>")
    .replace(/\b(m-)?[0-9a-f]{32}\b/g, "$1<id>")
    .replace(/\b[\d.]+ (bytes|KiB)$/gm, "<size>");
}

/** Files of the page are those that its commands name. */
export async function runMlflowTour(fences: readonly Fence[], installed: InstalledPackage): Promise<Step[]> {
  const { text } = fences.find(({ language, name }) => language === "console" && name === MLFLOW_TOUR)!;
  // Versions are counted from 1, and nothing else is in it.
  const server = await ownMlflow();
  try {
    const { HOME: _, ...quiet } = quietMlflow("");
    installed.environment = {
      ...quiet,
      MLFLOW_TRACKING_URI: mlflowUrl(server.port),
      MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR: "false",
      MLFLOW_LOGGING_LEVEL: "ERROR",
    };
    installed.path = [dirname(process.env[PYTHON]!)];
    return await runTour(stepsOf(text), installed, MLFLOW_TOUR, (write) => {
      for (const { language, name, text: file } of fences)
        if (/^(py|js)$/.test(language) && text.includes(` ${name}\n`)) write(name, file);
    });
  } finally {
    installed.environment = {};
    installed.path = [];
    await server.stop();
  }
}

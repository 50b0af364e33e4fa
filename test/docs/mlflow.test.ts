import { suite } from "uvu";
import * as assert from "uvu/assert";
import { hasService } from "../services/services.ts";
import { fencesOf, readDocument } from "./documents.ts";
import { InstalledPackage } from "./installed-package.ts";
import { MLFLOW_TOUR, maskedMlflow, runMlflowTour } from "./mlflow-tour.ts";
import { stepsOf } from "./tour.ts";

const NAME = "README's page on models in MLflow";
const test = suite(NAME);

test("each command prints what stands below it, with a real server, Python and the installed package", async () => {
  const fences = fencesOf(readDocument("README.md"));
  const { text } = fences.find(({ language, name }) => language === "console" && name === MLFLOW_TOUR)!;
  const installed = await InstalledPackage.install();
  try {
    const mask = ({ command, output }: { command: string; output: string }) =>
      `$ ${command}\n${maskedMlflow(output)}`;
    const ran = await runMlflowTour(fences, installed);
    assert.is(ran.map(mask).join(""), stepsOf(text).map(mask).join(""));
  } finally {
    installed.remove();
  }
});

if (hasService("mlflow", NAME)) test.run();

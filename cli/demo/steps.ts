/** What the demo does with the store, one function a step. Each saves something and gives the artifact. */

import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { Artifact, ArtifactStore } from "../../engine/main.ts";
import type { LinearModel } from "./models/linear.ts";
import { accuracy } from "./models/linear.ts";
import { fitNearestMean } from "./models/nearest-mean.ts";
import { fitNearestScaledMean } from "./models/nearest-scaled-mean.ts";
import { fitSoftmax } from "./models/softmax.ts";
import type { Penguin, RawPenguin } from "./penguins.ts";
import { cleanPenguins, rawFile, source, splitPenguins } from "./penguins.ts";

/** A file of the demo, as its path is kept with the code: from where the demo was started. */
function demoFile(name: string): string {
  return relative(process.cwd(), fileURLToPath(new URL(name, import.meta.url)));
}

/** The file as it is, byte for byte. */
export function saveRaw(store: ArtifactStore): Promise<Artifact> {
  return store.saveFile("penguins/raw", rawFile, {
    mediaType: "application/json",
    tags: { licence: source.licence },
    metadata: source,
  });
}

/** A structured value, made from the file. */
export async function saveClean(store: ArtifactStore, raw: Artifact): Promise<Artifact> {
  const rows = JSON.parse(new TextDecoder().decode(await raw.bytes())) as RawPenguin[];
  const penguins = cleanPenguins(rows);
  return store.save("penguins/clean", penguins, {
    code: { file: demoFile("penguins.ts") },
    inputs: [raw],
    metadata: { rows: penguins.length, left: rows.length - penguins.length },
  });
}

/** The three ways to fit, worst first, each with the file that its code is in. */
export const methods: { name: string; file: string; fit(penguins: Penguin[]): LinearModel }[] = [
  { name: "nearest mean", file: "models/nearest-mean.ts", fit: fitNearestMean },
  { name: "nearest scaled mean", file: "models/nearest-scaled-mean.ts", fit: fitNearestScaledMean },
  { name: "softmax regression", file: "models/softmax.ts", fit: fitSoftmax },
];

/** A new version of the model, with its code, its input and how good it is. */
export async function saveModel(
  store: ArtifactStore,
  clean: Artifact,
  { name, file, fit }: (typeof methods)[number],
): Promise<Artifact> {
  const { training, testing } = splitPenguins(await store.load<Penguin[]>(clean));
  const model = fit(training);
  return store.save("penguins/model", model, {
    code: { files: [demoFile(file), demoFile("models/linear.ts")] },
    inputs: [clean],
    tags: { stage: "candidate" },
    metadata: { method: name, accuracy: accuracy(model, testing), tested: testing.length },
  });
}

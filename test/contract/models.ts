/** As `library.ts`, for models in MLflow. */

import type {
  Artifact,
  ArtifactStore,
  JsonObject,
  MlflowFacts,
  MlflowSaveOptions,
  MlflowSignature,
} from "../../engine/main.ts";

export async function models(store: ArtifactStore): Promise<void> {
  const signature: MlflowSignature = { inputs: [{ dtype: "float32", shape: [-1, 4] }] };
  const mlflow: MlflowSaveOptions = {
    experiment: "flowers",
    runName: "first",
    registeredModelName: "clf",
    aliases: ["champion"],
    tags: { stage: "dev" },
    params: { max_iter: 500, fit_intercept: true },
    signature,
    inputExample: [[5.1, 3.5, 1.4, 0.2]],
  };
  const saved = await store.saveFile("iris/clf", "clf.onnx", { backend: "mlflow", mlflow });
  const facts: MlflowFacts | undefined = saved.mlflow;
  const adopted: Artifact = await store.adoptMlflow("clf", "models:/clf/3", { tags: { stage: "dev" } });
  const now: JsonObject = await store.describeMlflow(adopted);
  await store.setAlias("iris/clf", "champion", 0, { mlflow: true });
  await store.deleteAlias("iris/clf", "champion", { mlflow: true });
  await store.delete(saved, { purge: true });
  void [facts, now];
}

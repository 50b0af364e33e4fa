/** What MLflow keeps, for people. */

import type { Artifact, MlflowFacts } from "../engine/main.ts";

/** `models:/clf/3`, as MLflow's own tools take it. */
export function mlflowText({ registeredName, registeredVersion, modelUri }: MlflowFacts): string {
  return registeredName === undefined || registeredVersion === undefined
    ? modelUri
    : `models:/${registeredName}/${registeredVersion}`;
}

/** Label and text of what the store knows of it. */
export function mlflowFacts({ mlflow }: Pick<Artifact, "mlflow">): [string, string][] {
  if (mlflow === undefined) return [];
  const { trackingUri, registryUri, modelId, runId, experimentId, flavor } = mlflow;
  const servers = [trackingUri, ...(registryUri && registryUri !== trackingUri ? [registryUri] : [])];
  const parts = [
    modelId && `model ${modelId}`,
    flavor && `flavor ${flavor}`,
    runId && `run ${runId}`,
    experimentId && `experiment ${experimentId}`,
  ].filter(Boolean);
  return [
    ["in MLflow", `${mlflowText(mlflow)} at ${servers.join(" and ")}`],
    ["logged as", parts.join(", ")],
  ];
}

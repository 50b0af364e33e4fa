import { whereTag } from "../../../adapters/mlflow/filter.ts";
import type { MlflowClient } from "../../../adapters/mlflow/protocol.ts";

/** How much a store has in MLflow: of runs and models those that are not deleted. */
export interface Made {
  runs: number;
  models: number;
  versions: number;
}

export async function madeBy(client: MlflowClient, storeId: string): Promise<Made> {
  const filter = whereTag("varve.store", storeId);
  const experimentIds: string[] = [];
  for await (const { id } of client.experiments.list()) experimentIds.push(id);
  return {
    runs: await count(client.runs.search({ filter, experimentIds })),
    models: await count(client.models.search({ filter })),
    versions: await count(client.registry.searchVersions({ filter })),
  };
}

async function count(items: AsyncIterable<unknown>): Promise<number> {
  let counted = 0;
  for await (const _item of items) counted++;
  return counted;
}

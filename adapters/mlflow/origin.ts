import type { Environment } from "../../engine/main.ts";

/** Who has made something, and with what, in MLflow's own tags: its pages show them. */
export function originTags({ user, script, git }: Environment = {}): Record<string, string> {
  return {
    ...(user !== undefined && { "mlflow.user": user }),
    ...(script !== undefined && { "mlflow.source.name": script, "mlflow.source.type": "LOCAL" }),
    ...(script !== undefined && git && { "mlflow.source.git.commit": git.commit }),
  };
}

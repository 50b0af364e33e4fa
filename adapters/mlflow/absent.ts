import { VarveError } from "../../engine/main.ts";

/** MLflow's own word for a failure. */
export function errorCodeOf(error: unknown): unknown {
  return error instanceof VarveError ? error.details?.errorCode : undefined;
}

/** What is not there is nothing. */
export async function orNothing<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof VarveError && error.code === "NOT_FOUND") return undefined;
    throw error;
  }
}

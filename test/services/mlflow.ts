import { spawnSync } from "node:child_process";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { fastFolder, newFolder } from "../helpers/folders.ts";
import { PYTHON, type PythonOptions, python, quietMlflow } from "./python.ts";
import { ownerOf, Server, type ServerProgram } from "./server.ts";
import { portOf } from "./services.ts";

/** A server of MLflow: SQLite behind it, and artifacts that go through it. */

/** @param options more of them, for its command line; `{port}` in them is that of the server */
export function mlflowProgram(
  options: string[] = [],
  environment: Record<string, string> = {},
): ServerProgram {
  return {
    name: "mlflow",
    ...(canRunPython("nobody") && { user: "nobody" }),
    // It and the process that it starts are ended together.
    stopSignal: "SIGKILL",
    initialize: () => [],
    command(folder, port) {
      const data = join(folder, "data");
      const own = ["--host", "127.0.0.1", "--port", `${port}`, "--workers", "1"];
      const store = ["--backend-store-uri", `sqlite:///${join(data, "mlflow.db")}`];
      const artifacts = ["--artifacts-destination", artifactsFolder(folder)];
      const more = options.map((option) => option.replaceAll("{port}", `${port}`));
      return [process.env[PYTHON]!, "-m", "mlflow", "server", ...own, ...store, ...artifacts, ...more];
    },
    environment: (folder) => ({ ...quietMlflow(folder), ...environment }),
    async isReady(port) {
      try {
        const answer = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(2000) });
        return answer.ok && (await answer.text()) === "OK";
      } catch {
        return false;
      }
    },
  };
}

/** A Python that lies in the folder of its user can't be run by others. */
function canRunPython(user: string): boolean {
  return spawnSync(process.env[PYTHON]!, ["-c", ""], ownerOf(user)).status === 0;
}

/** Where a server keeps artifacts. */
export function artifactsFolder(folder: string): string {
  return join(folder, "data", "artifacts");
}

/** The URL of the server that `start.ts` has started. */
export function mlflowUrl(port = portOf("mlflow")): string {
  return `http://127.0.0.1:${port}`;
}

/** A server that a test may kill. It is to be stopped. Takes some seconds to start. */
export function ownMlflow(options?: string[], environment?: Record<string, string>): Promise<Server> {
  const folder = newFolder(fastFolder());
  chmodSync(folder, 0o755);
  return Server.start(mlflowProgram(options, environment), join(folder, "mlflow"));
}

/** What a program in Python prints that uses MLflow's client. @param script its text */
export function mlflowPython(
  script: string,
  args: string[] = [],
  { environment, ...options }: PythonOptions & { url?: string } = {},
): Promise<string> {
  const { url = mlflowUrl() } = options;
  return python(script, args, { ...options, environment: { MLFLOW_TRACKING_URI: url, ...environment } });
}

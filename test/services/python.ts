import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newFolder } from "../helpers/folders.ts";

/** Python with the packages of `requirements.txt`, in a folder that is kept for as long as these are the same. */

/** Names the program. */
export const PYTHON = "VARVE_TEST_PYTHON";

const REQUIREMENTS = join(import.meta.dirname, "requirements.txt");
/** Installs in 15 s what pip needs 3 minutes for. */
const UV = "uv==0.13.9";
const OLDEST = [3, 10];
const RUN_MAX = 120_000;
/** What the server and the tests load first, so that it is compiled when they do. */
const LOADED =
  "import mlflow.server.fastapi_app, mlflow.server.auth, mlflow.onnx, mlflow.sklearn, onnxruntime, skl2onnx";

/** Packages of the system that making such a folder needs. */
export function missingForPython(): string[] {
  const base = basePython();
  if (!base) return ["python3", "python3-venv"];
  return spawnSync(base, ["-c", "import venv, ensurepip"]).status === 0 ? [] : ["python3-venv"];
}

/** The program; makes its folder where there is none. Two may do so at once. */
export function installPython(): string {
  const base = basePython();
  if (!base) throw new Error(`there is no Python of version ${OLDEST.join(".")} or later`);
  const version = spawnSync(base, ["-V"], { encoding: "utf8" }).stdout;
  const parts = [readFileSync(REQUIREMENTS), UV, base, version, process.arch];
  const key = parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest("hex");
  const folder = join(tmpdir(), `varve-python-${process.getuid?.() ?? 0}-${key.slice(0, 16)}`);
  const python = join(folder, "bin", "python");
  if (!existsSync(folder)) make(folder, base);
  // What others have put there is not run.
  const uid = process.getuid?.();
  if (uid !== undefined && statSync(folder).uid !== uid) throw new Error(`${folder} is somebody else's`);
  return python;
}

function make(folder: string, base: string): void {
  const making = mkdtempSync(`${folder}-`);
  chmodSync(making, 0o755);
  try {
    const python = join(making, "bin", "python");
    run(base, "-m", "venv", making);
    run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", UV);
    try {
      run(python, "-m", "uv", "pip", "install", "-q", "--no-cache", "--python", python, "-r", REQUIREMENTS);
    } catch {
      // It does not know of what only pip is configured for.
      run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", REQUIREMENTS);
    }
    run(python, "-c", LOADED);
    renameSync(making, folder);
  } catch (error) {
    rmSync(making, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
}

function basePython(): string | undefined {
  const asked = `import sys; sys.exit(sys.version_info[:2] < (${OLDEST.join(", ")}))`;
  return ["python3.11", "python3"].find((name) => spawnSync(name, ["-c", asked]).status === 0);
}

function run(file: string, ...args: string[]): void {
  const { status, error } = spawnSync(file, args, { stdio: ["ignore", 2, 2] });
  if (status !== 0) throw new Error(`${[file, ...args].join(" ")} ended with ${status ?? error}`);
}

export interface PythonOptions {
  /** Beside what is there; `HOME` is an empty folder. */
  environment?: Record<string, string>;
  signal?: AbortSignal;
}

/**
 * What a program in Python prints. It begins slowly: MLflow alone takes some seconds to load.
 * @param script its text
 */
export async function python(
  script: string,
  args: string[] = [],
  options: PythonOptions = {},
): Promise<string> {
  const file = process.env[PYTHON];
  if (!file) throw new Error("there is no Python with MLflow (test/services/start.ts makes one)");
  const env = { ...process.env, ...quietMlflow(newFolder()), ...options.environment };
  const signal = options.signal ?? AbortSignal.timeout(RUN_MAX);
  const child = spawn(file, ["-c", script, ...args], { env, signal, stdio: ["ignore", "pipe", "pipe"] });
  const texts: [string, string] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text) => (texts[0] += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (texts[1] += text));
  const code = await new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
  if (code !== 0) throw new Error(`Python ended with ${code}: ${texts[1]}`);
  return texts[0];
}

/** It asks nobody for anything. */
export function quietMlflow(home: string): Record<string, string> {
  return {
    HOME: home,
    MLFLOW_DISABLE_TELEMETRY: "true",
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION: "false",
    GIT_PYTHON_REFRESH: "quiet",
    DO_NOT_TRACK: "true",
  };
}

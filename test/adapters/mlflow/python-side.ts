import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { newFolder } from "../../helpers/folders.ts";
import { PYTHON, quietMlflow } from "../../services/python.ts";

const CALL_MAX = 120_000;

/** Python with MLflow's own library, in a process: `side.py` tells what it can be asked. */
export class PythonSide {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #said = "";

  private constructor(trackingUri: string) {
    const env = {
      ...process.env,
      ...quietMlflow(newFolder()),
      MLFLOW_TRACKING_URI: trackingUri,
      MLFLOW_HTTP_REQUEST_MAX_RETRIES: "2",
      MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR: "false",
    };
    const script = join(import.meta.dirname, "side.py");
    this.#process = spawn(process.env[PYTHON]!, [script], { env, stdio: ["pipe", "pipe", "pipe"] });
    this.#process.stderr!.on("data", (bytes) => {
      this.#said = (this.#said + bytes).slice(-4000);
    });
    this.#lines = createInterface({ input: this.#process.stdout! })[Symbol.asyncIterator]();
  }

  static async start(trackingUri: string): Promise<PythonSide> {
    const side = new PythonSide(trackingUri);
    await side.#answer();
    return side;
  }

  /** One call at a time. */
  async call<T>(call: string, ...args: unknown[]): Promise<T> {
    this.#process.stdin!.write(`${JSON.stringify({ call, args })}\n`);
    const { result, error } = (await this.#answer()) as { result: T; error?: string };
    if (error !== undefined) throw new Error(`${call}: ${error}\n${this.#said}`);
    return result;
  }

  end(): void {
    this.#process.kill("SIGKILL");
  }

  async #answer(): Promise<unknown> {
    const timer = setTimeout(() => this.end(), CALL_MAX);
    const { value, done } = await this.#lines.next();
    clearTimeout(timer);
    if (done) throw new Error(`Python ended: ${this.#said}`);
    return JSON.parse(value);
  }
}

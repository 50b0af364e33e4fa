import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { endWithParent } from "../helpers/end-with-parent.ts";
import { bundleOf, compileCache, withSourcePlaces } from "./bundles.ts";

/** No answer takes this long, however busy the machine is. */
const ANSWER_MILLISECONDS_MAX = 300_000;

const running = new Set<PlainProcess>();

/** How a process ended. */
export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A program of `test/crash/` in a process of its own, which prints lines. */
export class PlainProcess {
  readonly process: ChildProcess;
  /** Everything printed so far. */
  readonly lines: string[] = [];
  readonly ended: Promise<Ending>;
  /** What it said on its way out, for messages. */
  errors = "";
  #onLine: () => void = () => {};
  #read = 0;
  #closed = false;

  /** @param under a command that it is started under, such as `["unshare", "-m"]` */
  constructor(name: string, options: object, under: string[] = []) {
    const command = [...under, process.execPath, bundleOf(name), JSON.stringify(options)];
    const [first, ...words] = endWithParent(command);
    this.process = spawn(first, words, {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, NODE_COMPILE_CACHE: compileCache() },
    });
    running.add(this);
    this.process.stdin!.on("error", () => {});
    this.process.stderr!.on("data", (bytes) => {
      this.errors += withSourcePlaces(String(bytes));
    });
    const input = createInterface({ input: this.process.stdout! });
    input.on("line", (line) => {
      this.lines.push(withSourcePlaces(line));
      this.#onLine();
    });
    this.ended = new Promise((resolve, reject) => {
      this.process.once("error", reject);
      // Behind the last line, that is.
      this.process.once("close", (code, signal) => {
        this.#closed = true;
        running.delete(this);
        this.#onLine();
        resolve({ code, signal });
      });
    });
  }

  get pid(): number {
    return this.process.pid!;
  }

  get hasEnded(): boolean {
    return this.#closed;
  }

  /** The next line; undefined at the end. */
  async next(): Promise<string | undefined> {
    while (this.#read === this.lines.length && !this.#closed)
      await new Promise<void>((resolve) => (this.#onLine = resolve));
    return this.lines[this.#read++];
  }

  /** The next line as a document, which must come. */
  async expect<T>(): Promise<T> {
    let hangs = "";
    const timer = setTimeout(() => {
      hangs = " (it was killed, since it hung)";
      this.signal("SIGKILL");
    }, ANSWER_MILLISECONDS_MAX);
    const line = await this.next();
    clearTimeout(timer);
    if (line === undefined) throw new Error(`the program ended${hangs}: ${this.errors}`);
    return JSON.parse(line) as T;
  }

  tell(line: string): void {
    this.process.stdin!.write(`${line}\n`);
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  /** Its end, which must come within this time; else it is killed, and `onHang` is called. */
  async endWithin(milliseconds: number, onHang: () => void = () => {}): Promise<Ending> {
    const timer = setTimeout(() => {
      onHang();
      this.signal("SIGKILL");
    }, milliseconds);
    try {
      return await this.ended;
    } finally {
      clearTimeout(timer);
    }
  }

  async kill(): Promise<Ending> {
    this.process.kill("SIGKILL");
    return this.ended;
  }
}

/** For `after.each`, and for the end of a harness. */
export async function killPlainProcesses(): Promise<void> {
  await Promise.all([...running].map((process) => process.kill()));
}

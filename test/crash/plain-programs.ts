import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { endWithParent } from "../helpers/end-with-parent.ts";

/** No answer takes this long, however busy the machine is. */
const ANSWER_MILLISECONDS_MAX = 300_000;

const root = fileURLToPath(new URL("../..", import.meta.url));
let folder: string | undefined;

/**
 * The path of a program of `test/crash/` as plain JavaScript, together with the engine as it is now. Compiled once for
 * each process that asks: a program that is started ten thousand times can't afford a loader of TypeScript.
 */
function plainProgram(name: string): string {
  folder ??= compile();
  return join(folder, "built/test/crash", name.replace(/\.ts$/, ".js"));
}

function compile(): string {
  const target = mkdtempSync(join(tmpdir(), "varve-plain-"));
  process.once("exit", () => rmSync(target, { recursive: true, force: true }));
  symlinkSync(join(root, "node_modules"), join(target, "node_modules"));
  writeFileSync(join(target, "package.json"), '{ "type": "module" }\n');
  const configuration = {
    extends: join(root, "tsconfig.json"),
    compilerOptions: {
      noEmit: false,
      noCheck: true,
      rootDir: root,
      outDir: join(target, "built"),
      types: [],
    },
    include: [join(root, "engine"), join(root, "test/crash/*-program.ts")],
  };
  const path = join(target, "tsconfig.json");
  writeFileSync(path, JSON.stringify(configuration));
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  const { status, stdout } = spawnSync(process.execPath, [compiler, "-p", path], { encoding: "utf8" });
  if (status !== 0) throw new Error(`the programs of the harnesses can't be compiled: ${stdout}`);
  return target;
}

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
    const command = [...under, process.execPath, plainProgram(name), JSON.stringify(options)];
    const [first, ...words] = endWithParent(command);
    this.process = spawn(first, words, { stdio: ["pipe", "pipe", "pipe"] });
    running.add(this);
    this.process.stdin!.on("error", () => {});
    this.process.stderr!.on("data", (bytes) => {
      this.errors += bytes;
    });
    const input = createInterface({ input: this.process.stdout! });
    input.on("line", (line) => {
      this.lines.push(line);
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

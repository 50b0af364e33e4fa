import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join, relative } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";
import { endWithParent } from "./end-with-parent.ts";
import { plainCode } from "./plain-code.ts";
import { readableRoot } from "./readable-code.ts";

const loader = import.meta.resolve("tsx");
const repository = join(import.meta.dirname, "../..");
const running = new Set<ChildProcess>();

export interface ProgramOptions {
  /** A command that the program is started under, such as `["unshare", "--pid"]`. */
  under?: string[];
  uid?: number;
  env?: Record<string, string>;
}

/** A program of the tests in a process of its own, which prints one JSON document a line. */
export class Program {
  readonly process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #errors = "";

  /** @param path from this folder */
  constructor(path: string, args: string[], options: ProgramOptions = {}) {
    const code = commandFor(join(import.meta.dirname, path), options.uid !== undefined);
    const command = [...(options.under ?? []), process.execPath, ...code, ...args];
    const [first, ...words] = endWithParent(command);
    this.process = spawn(first, words, {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, ...options.env },
      ...(options.uid !== undefined && { uid: options.uid, gid: options.uid, cwd: readableRoot() }),
    });
    running.add(this.process);
    this.process.once("exit", () => running.delete(this.process));
    this.process.stderr!.on("data", (bytes) => {
      this.#errors += bytes;
    });
    this.#lines = createInterface({ input: this.process.stdout! })[Symbol.asyncIterator]();
  }

  /** The next document; undefined at the end. */
  // biome-ignore lint/suspicious/noExplicitAny: tests know what their programs print
  async next(): Promise<any> {
    const { value, done } = await this.#lines.next();
    if (done) return undefined;
    return JSON.parse(value);
  }

  /** The next document, which must come. */
  // biome-ignore lint/suspicious/noExplicitAny: tests know what their programs print
  async expect(): Promise<any> {
    const document = await this.next();
    if (document === undefined) throw new Error(`the program ended: ${this.#errors}`);
    return document;
  }

  /** All documents up to the end. */
  // biome-ignore lint/suspicious/noExplicitAny: tests know what their programs print
  async rest(): Promise<any[]> {
    const documents = [];
    for (let next = await this.next(); next !== undefined; next = await this.next()) documents.push(next);
    return documents;
  }

  tell(line: string): void {
    this.process.stdin!.write(`${line}\n`);
  }

  /** Tells it something, and gives the document that it answers. */
  // biome-ignore lint/suspicious/noExplicitAny: tests know what their programs print
  async ask(line: string): Promise<any> {
    this.tell(line);
    return this.expect();
  }

  /** Waits for the end, which must be a good one. */
  async end(): Promise<void> {
    this.process.stdin!.end();
    const code = await this.ended();
    if (code !== 0) throw new Error(`the program ended with ${code}: ${this.#errors}`);
  }

  async kill(): Promise<void> {
    const ended = this.ended();
    this.process.kill("SIGKILL");
    await ended;
  }

  async ended(): Promise<number | null> {
    const { process } = this;
    if (process.exitCode === null && process.signalCode === null) await once(process, "exit");
    return process.exitCode;
  }

  get errors(): string {
    return this.#errors;
  }
}

/** @param forOthers whether another user runs it, who may not be let into a temporary folder of this one */
function commandFor(file: string, forOthers: boolean): string[] {
  if (!forOthers) return [plainCode(file)];
  const readable = (path: string) => join(readableRoot(), relative(repository, path));
  return ["--import", pathToFileURL(readable(fileURLToPath(loader))).href, readable(file)];
}

/** For `after.each`. */
export async function killPrograms(): Promise<void> {
  const ends = [...running].map((process) => once(process, "exit"));
  for (const process of running) process.kill("SIGKILL");
  await Promise.all(ends);
}

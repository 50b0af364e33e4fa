import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, chownSync, cpSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** What the servers of the tests have in common: a folder and a user of their own, and a free port on the loopback. */

export const USER = "varve";
export const PASSWORD = "a test's p@ss/word%";

export interface ServerProgram {
  name: ServiceName;
  /** Whom the package made to run it: servers refuse root. Default: who runs the tests. */
  user?: string;
  /** What makes the folder of data; runs as that user. */
  initialize(folder: string): string[][];
  command(folder: string, port: number): string[];
  /** Beside what is there. */
  environment?(folder: string): Record<string, string>;
  /** Whether it takes connections. */
  isReady(port: number): Promise<boolean>;
  stopSignal: NodeJS.Signals;
}

export type DatabaseName = "postgresql" | "mariadb";
export type ServiceName = DatabaseName | "mlflow";

/** A machine that has a lot to do beside it needs more than a minute for MLflow. */
const READY_WAIT_MAX = 240_000;

export interface Owner {
  uid?: number;
  gid?: number;
}

/** Nothing where this process is no root: then servers are its own. */
export function ownerOf(user: string | undefined): Owner {
  if (user === undefined || process.getuid?.() !== 0) return {};
  const idOf = (option: string) => Number(spawnSync("id", [option, user], { encoding: "utf8" }).stdout);
  return { uid: idOf("-u"), gid: idOf("-g") };
}

/** One server, its data in a folder that others may not have. */
export class Server {
  readonly program: ServerProgram;
  readonly folder: string;
  readonly port: number;
  #process: ChildProcess | undefined;

  private constructor(program: ServerProgram, folder: string, port: number) {
    this.program = program;
    this.folder = folder;
    this.port = port;
  }

  /** @param template a folder of data that was made before */
  static async start(program: ServerProgram, folder: string, template?: string): Promise<Server> {
    const owner = ownerOf(program.user);
    mkdirSync(folder, { recursive: true });
    const data = join(folder, "data");
    if (template) cpSync(template, data, { recursive: true, preserveTimestamps: true });
    else mkdirSync(data);
    if (owner.uid !== undefined) for (const path of [folder, data]) chownSync(path, owner.uid, owner.gid!);
    chmodSync(data, 0o700);
    if (template && owner.uid !== undefined) spawnSync("chown", ["-R", `${owner.uid}:${owner.gid}`, data]);
    if (!template) for (const command of program.initialize(folder)) run(command, owner, folder);
    const server = new Server(program, folder, await freePort());
    await server.launch();
    return server;
  }

  /** Again, where it was killed or stopped. */
  async launch(): Promise<void> {
    const [file, ...args] = this.program.command(this.folder, this.port);
    const log = openSync(join(this.folder, "log"), "a");
    const owner = ownerOf(this.program.user);
    const env = { ...process.env, ...this.program.environment?.(this.folder) };
    const options = { ...owner, cwd: this.folder, env, detached: true };
    this.#process = spawn(file!, args, { ...options, stdio: ["ignore", log, log] });
    this.#process.unref();
    await this.#ready();
  }

  get pid(): number {
    return this.#process!.pid!;
  }

  /** To it and to what it has started: each connection of PostgreSQL is a process. */
  signal(signal: NodeJS.Signals): void {
    for (const pid of [this.pid, ...childrenOf(this.pid)]) {
      try {
        process.kill(pid, signal);
      } catch {}
    }
  }

  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async stop(): Promise<void> {
    this.signal("SIGCONT");
    await this.#end(this.program.stopSignal);
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const running = this.#process!;
    if (running.exitCode !== null || running.signalCode !== null) return;
    running.ref();
    const ended = new Promise((resolve) => running.once("exit", resolve));
    if (signal === "SIGKILL") this.signal(signal);
    else running.kill(signal);
    await ended;
  }

  async #ready(): Promise<void> {
    const until = Date.now() + READY_WAIT_MAX;
    while (!(await this.program.isReady(this.port))) {
      const { exitCode } = this.#process!;
      if (exitCode !== null || Date.now() > until) {
        // Nobody else would end it.
        await this.kill();
        throw new Error(`${this.program.name}: ${this.#log()}`);
      }
      await sleep(50);
    }
  }

  #log(): string {
    return readFileSync(join(this.folder, "log"), "utf8").split("\n").slice(-20).join("\n");
  }
}

function run([file, ...args]: string[], owner: Owner, cwd: string): void {
  const { status, stderr, stdout } = spawnSync(file!, args, { ...owner, cwd, encoding: "utf8" });
  if (status !== 0) throw new Error(`${file} ended with ${status}: ${stderr}${stdout}`);
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

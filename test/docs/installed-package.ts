/** The package as a user has it: built, in a folder's `node_modules`, with `varve` as a command. */

import { execFile } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { root } from "./documents.ts";

const execFileAsync = promisify(execFile);

export interface Ran {
  exitCode: number;
  /** What it wrote to stdout and stderr. */
  output: string;
}

export class InstalledPackage {
  readonly #folder = mkdtempSync(join(tmpdir(), "varve-docs-"));
  /** Where the user works: below the folder that the package is installed in. */
  #work = this.#folder;
  /** What commands find in the environment beside a home and a path. */
  environment: Record<string, string> = {};
  /** Folders of commands, before those of the system. */
  path: string[] = [];

  private constructor() {}

  static async install(): Promise<InstalledPackage> {
    const installed = new InstalledPackage();
    await installed.#build();
    return installed;
  }

  async #build(): Promise<void> {
    const home = join(this.#folder, "node_modules", "varve");
    mkdirSync(home, { recursive: true });
    cpSync(join(root, "package.json"), join(home, "package.json"));
    symlinkSync(join(root, "node_modules"), join(home, "node_modules"));
    const env = { ...process.env, DIST: join(home, "dist") };
    await execFileAsync("npm", ["run", "--silent", "build"], { cwd: root, env }).catch(
      ({ stdout, stderr }) => {
        throw new Error(`the package does not build:\n${stdout}${stderr}`);
      },
    );
    const command = join(this.#folder, "varve");
    writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${home}/dist/cli/main.js" "$@"\n`);
    chmodSync(command, 0o755);
  }

  /** Goes on in an empty folder. */
  enter(name: string): void {
    this.#work = join(this.#folder, name);
    mkdirSync(this.#work);
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.#work, name), text);
  }

  node(...words: string[]): Promise<Ran> {
    return this.#run(process.execPath, words);
  }

  /** A line for the shell, with both streams as a terminal would show them. */
  shell(line: string): Promise<Ran> {
    return this.#run("/bin/sh", ["-c", `{ ${line}\n} 2>&1`]);
  }

  async #run(file: string, words: string[]): Promise<Ran> {
    const path = [this.#folder, ...this.path, process.env.PATH];
    const env = { ...this.environment, HOME: this.#folder, PATH: path.join(":") };
    try {
      const { stdout, stderr } = await execFileAsync(file, words, { cwd: this.#work, env });
      return { exitCode: 0, output: stdout + stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { exitCode: code, output: stdout + stderr };
    }
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

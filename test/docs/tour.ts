/** Blocks of commands with what they print: `$ command`, then its output. */

import type { InstalledPackage } from "./installed-package.ts";

export interface Step {
  command: string;
  output: string;
}

export function stepsOf(text: string): Step[] {
  return text
    .split(/^\$ /m)
    .slice(1)
    .map((step) => {
      const end = step.indexOf("\n");
      return { command: step.slice(0, end), output: step.slice(end + 1) };
    });
}

/** What differs from run to run and from machine to machine: times, folders, the environment and what it takes. */
export function masked(output: string): string {
  return output
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}/g, "<time>")
    .replace(/(sqlite:\/\/\/)?\/\S*\/(penguins|space|files|growing|mlflow)\//g, "$1<folder>/")
    .replace(/\S+ GiB free|\d+(\.\d+)? ms(?=:|$)/gm, "<number>")
    .replace(/Node\.js \S+|(kysely|libsql) \S+$/gm, "<version>")
    .replace(/^( {2}made with +).*$/gm, "$1<environment>")
    .replace(/^(blobs|needed blobs|saved by sharing|log|beside blobs|index)( +).*$/gm, "$1$2<size>")
    .replace(/^(.*: read .* blobs, ).*$/gm, "$1<size>")
    .replace(/\/\S*\/(space-backup)\b/g, "<folder>/$1")
    .replace(/(log (?:would )?takes? |log |→ |space-backup: )[\d.]+ [KM]iB/g, "$1<size>")
    .replace(/^[\d.]+ (?:bytes|[KM]iB) copied/gm, "<size> copied")
    .replace(/offset \d+/g, "offset <number>")
    .replace(/\d{10}-\d{8}T\d{6}\.\d{3}Z-[0-9a-f]+\.varve/g, "<segment>");
}

/** The same for readers: as it might be with them. */
export function anonymous(output: string): string {
  return output
    .replace(/(sqlite:\/\/\/)?\/\S*\/(penguins|space|files|growing|mlflow)\//g, "$1/home/me/$2/")
    .replace(/http:\/\/127\.0\.0\.1:\d+/g, "http://127.0.0.1:5000")
    .replace(/\/\S*\/(space-backup)\b/g, "/home/me/$1")
    .replace(/^( {2}made with +Node\.js \S+ linux-x64,?).*$/gm, "$1 by me");
}

/** Runs the commands one after the other in an empty folder. @param folder of a tour that has a name of its own */
export async function runTour(
  steps: readonly Step[],
  installed: InstalledPackage,
  folder: string,
  prepare: (write: InstalledPackage["write"]) => void = () => {},
): Promise<Step[]> {
  installed.enter(folder || "penguins");
  prepare((name, text) => installed.write(name, text));
  const ran: Step[] = [];
  for (const { command } of steps) {
    const { output } = await installed.shell(command);
    ran.push({ command, output });
  }
  return ran;
}

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

let prefix: string[] | undefined;

/**
 * The command for a process that is killed when this one is gone, however it went: a test that is killed, such as one that
 * takes too long, would leave programs behind that work for ever. Elsewhere than on Linux the command as it is.
 */
export function endWithParent(command: readonly string[]): [file: string, ...args: string[]] {
  prefix ??= prefixHere();
  return [...prefix, ...command] as [string, ...string[]];
}

function prefixHere(): string[] {
  // By its whole path: programs are started with other search paths too.
  const found = (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "setpriv"))
    .find(existsSync);
  if (!found) return [];
  const tried = [found, "--pdeathsig", "KILL"];
  return spawnSync(found, [...tried.slice(1), process.execPath, "--version"]).status === 0 ? tried : [];
}

import { spawnSync } from "node:child_process";

const PREFIX = ["setpriv", "--pdeathsig", "KILL"];
let isPossible: boolean | undefined;

/**
 * The command for a process that is killed when this one is gone, however it went: a test that is killed, such as one that
 * takes too long, would leave programs behind that work for ever. Elsewhere than on Linux the command as it is.
 */
export function endWithParent(command: readonly string[]): [file: string, ...args: string[]] {
  isPossible ??= spawnSync(PREFIX[0]!, [...PREFIX.slice(1), process.execPath, "--version"]).status === 0;
  return (isPossible ? [...PREFIX, ...command] : [...command]) as [string, ...string[]];
}

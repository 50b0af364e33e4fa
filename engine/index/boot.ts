import { readFileSync, statSync } from "node:fs";
import { tmpdir, uptime } from "node:os";

/** What tells apart two starts of the machine, and two PID namespaces of one. */

let bootId: string | undefined;

/** The kernel's id of this boot; where there is none, the time of the boot to the minute. */
export function currentBootId(): string {
  bootId ??= readBootId();
  return bootId;
}

function readBootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim().replaceAll("-", "");
  } catch {
    return `t${Math.round((Date.now() / 1000 - uptime()) / 60)}`;
  }
}

/** The inode of this process's PID namespace; 0 where there are none. */
export function pidNamespace(): number {
  try {
    return statSync("/proc/self/ns/pid").ino;
  } catch {
    return 0;
  }
}

/** When a process started, in clock ticks since boot; undefined when there is no such process. */
export function processStart(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name of the program stands in parentheses and may hold anything.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return processExists(pid) ? "unknown" : undefined;
  }
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

let birthsKept: boolean | undefined;

/**
 * When a file or folder was made, which tells it from the next one that gets its inode; "0" where that is not kept.
 * Where statx(2) is not to be had, Node gives the time of the last change in its place, which must not be used.
 */
export function bornAt(path: string): string {
  birthsKept ??= [process.execPath, tmpdir(), "/"].some((known) => {
    const { birthtimeNs, ctimeNs } = statSync(known, { bigint: true });
    return birthtimeNs !== ctimeNs;
  });
  return birthsKept ? statSync(path, { bigint: true }).birthtimeNs.toString(16) : "0";
}

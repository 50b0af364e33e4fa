/** Facts about the machine, without which figures say little. */

import { statfs } from "node:fs/promises";
import { arch, availableParallelism, cpus, release, totalmem, type } from "node:os";

export interface Machine {
  processor: string;
  threads: number;
  memoryBytes: number;
  system: string;
  node: string;
  folder: string;
  fileSystem: string;
}

const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  61267: "ext4",
  1481003842: "xfs",
  2435016766: "btrfs",
  16914836: "tmpfs",
  2035054128: "overlay",
  801189825: "zfs",
  4076150800: "f2fs",
  26985: "nfs",
};

export async function fileSystemOf(folder: string): Promise<string> {
  const { type: magic } = await statfs(folder);
  return FILE_SYSTEMS[magic >>> 0] ?? `type 0x${(magic >>> 0).toString(16)}`;
}

export async function machineOf(folder: string): Promise<Machine> {
  return {
    processor: cpus()[0]?.model.trim() ?? "unknown",
    threads: availableParallelism(),
    memoryBytes: totalmem(),
    system: `${type()} ${release()} ${arch()}`,
    node: process.version,
    folder,
    fileSystem: await fileSystemOf(folder),
  };
}

export function machineText({ processor, threads, memoryBytes, system, node, fileSystem }: Machine): string {
  const memory = `${Math.round(memoryBytes / 2 ** 30)} GiB`;
  return `${processor}, ${threads} threads, ${memory}, ${system}, Node.js ${node}, ${fileSystem}`;
}

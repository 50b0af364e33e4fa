import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import type { FullDiskAnswer, FullDiskProgramOptions } from "./full-disk-program.ts";
import type { Harness, HarnessResult } from "./harness.ts";
import { PlainProcess } from "./plain-programs.ts";

const HANG_MILLISECONDS = 120_000;

/** A small disk of its own for one command; the mount is gone with it. */
function onSmallDisk(mountPoint: string, kibibytes: number): string[] {
  const script = `mount -t tmpfs -o size=${kibibytes}k,mode=0700 tmpfs "$0" && exec "$@"`;
  return ["unshare", "-Urm", "sh", "-c", script, mountPoint];
}

/** Whether this machine lets a mount be made in a namespace of its own. */
export function hasSmallDisks(): boolean {
  const folder = newFolder();
  const [command, ...args] = onSmallDisk(folder, 64);
  const { status } = spawnSync(command!, [...args, "true"]);
  rmSync(folder, { recursive: true });
  return status === 0;
}

export class FullDiskTally implements HarnessResult {
  readonly counts: Record<string, number> = { disks: 0, saves: 0, refusals: 0 };
  readonly violations: string[] = [];
}

export async function fullDiskRound(seed: number, minFreeSpace: number, tally: FullDiskTally): Promise<void> {
  const random = new Random("full disk", seed);
  const disk = newFolder();
  const options: FullDiskProgramOptions = {
    disk,
    seed,
    minFreeSpace,
    // Small ones, so that the disk is also full in the middle of a roll.
    segmentBytesMax: [20_000, 200_000, 256 * 1024 * 1024][random.below(3)]!,
  };
  const kibibytes = 6_000 + random.below(3_000);
  tally.counts.disks!++;
  const program = new PlainProcess("full-disk-program", options, onSmallDisk(disk, kibibytes));
  const ending = program.endWithin(HANG_MILLISECONDS);
  const answer = await program.expect<FullDiskAnswer>().catch((error: Error) => error);
  const { code, signal } = await ending;
  const round = `${JSON.stringify({ ...options, disk: `${kibibytes} KiB` })}`;
  if (answer instanceof Error || code !== 0) {
    tally.violations.push(`the process ended with ${signal ?? code}: ${program.errors} (${round})`);
  } else {
    tally.counts.saves! += answer.saves;
    tally.counts.refusals! += answer.refusals;
    for (const call of answer.refused)
      tally.counts[`${call} refused`] = (tally.counts[`${call} refused`] ?? 0) + 1;
    for (const violation of answer.violations) tally.violations.push(`${violation} (${round})`);
  }
  rmSync(disk, { recursive: true, force: true });
}

async function run({ seed, until }: { seed: number; until: number }): Promise<HarnessResult> {
  if (!hasSmallDisks()) return { counts: { "skipped: unshare is refused": 1 }, violations: [] };
  const tally = new FullDiskTally();
  for (let i = 0; i === 0 || Date.now() < until; i++)
    await fullDiskRound(seed + i, [0, 2 * 1024 * 1024][i % 2]!, tally);
  return tally;
}

export const fullDisk: Harness = { name: "full-disk", run };

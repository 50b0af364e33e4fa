/** Stores opened over a damaged log: by a boot that knows them, by the next one, and from the log alone. */
import { Random } from "../helpers/random.ts";
import { withBothLogs } from "./damage-both-logs.ts";
import type { Examination } from "./damage-examine.ts";
import { examine } from "./damage-examine.ts";
import type { Material } from "./damage-material.ts";
import { putMaterial, removeHome } from "./damage-material.ts";
import { isEnough, placeIn, shuffled } from "./damage-order.ts";
import type { Pair } from "./damage-pair.ts";
import { PairTrials } from "./damage-pair.ts";
import type { ExamineProcess } from "./damage-process.ts";
import type { Harness, HarnessResult } from "./harness.ts";

/** What is there beside the log, which tells how much of it was durable. */
export const WITNESSES = [
  "lock of this boot",
  "clean index",
  "mark of an index that was copied",
  "nothing",
] as const;
export type Witness = (typeof WITNESSES)[number];

/** A change of the files of the log. */
export type LogChange = (path: string, bytes: Buffer) => Buffer | undefined;

export class OpenTrials {
  readonly #trials: PairTrials;

  private constructor(trials: PairTrials) {
    this.#trials = trials;
  }

  static async make(segmentBytesMax?: number): Promise<OpenTrials> {
    const filling = segmentBytesMax ? { names: 8, versions: 3 } : { names: 13, versions: 4 };
    return new OpenTrials(await PairTrials.make(filling, segmentBytesMax));
  }

  /** For as long as `action` takes. */
  static async during<T>(
    segmentBytesMax: number | undefined,
    action: (trials: OpenTrials) => Promise<T>,
  ): Promise<T> {
    const trials = await OpenTrials.make(segmentBytesMax);
    try {
      return await action(trials);
    } finally {
      await trials.remove();
    }
  }

  get pair(): Pair {
    return this.#trials.pair;
  }

  /** For what may end the process that does it. */
  get process(): ExamineProcess {
    return this.#trials.process;
  }

  materialOf(witness: Witness): Material {
    return witness === "lock of this boot" ? this.pair.killed : this.pair.closed;
  }

  segments(witness: Witness): { path: string; bytes: Buffer }[] {
    const { files } = this.materialOf(witness);
    return [...files].filter(([path]) => path.startsWith("log/")).map(([path, bytes]) => ({ path, bytes }));
  }

  /** Writes the home with its log changed, and gives its path. */
  put(witness: Witness, change: LogChange): string {
    const home = this.#trials.newHome();
    const material = this.materialOf(witness);
    const only = (path: string) => witness !== "nothing" || path.startsWith("log/");
    putMaterial(home, material, {
      sameBoot: witness === "lock of this boot",
      trusted: witness !== "mark of an index that was copied",
      change: (path, bytes) =>
        !only(path) ? undefined : path.startsWith("log/") ? change(path, bytes) : bytes,
    });
    return home;
  }

  async try(witness: Witness, change: LogChange, again: boolean, readOnly = false): Promise<Examination> {
    const home = this.put(witness, change);
    try {
      const headers = this.segments(witness).filter(({ path, bytes }) =>
        isReadable(change(path, bytes), bytes),
      );
      const mayRefuse = headers.length === 0 ? ["CORRUPTION", "NOT_SUPPORTED"] : [];
      return await examine(home, this.pair.expected, {
        witnessed: witness !== "nothing",
        again,
        readOnly,
        mayRefuse,
      });
    } finally {
      removeHome(home);
    }
  }

  remove(): Promise<void> {
    return this.#trials.remove();
  }
}

/** Whether the header of a segment is what it was. */
function isReadable(now: Buffer | undefined, then: Buffer): boolean {
  return now !== undefined && now.length >= 128 && now.compare(then, 0, 128, 0, 128) === 0;
}

export interface LogDamage {
  what: string;
  change: LogChange;
}

function flipAt(path: string, offset: number, bit: number): LogDamage {
  return {
    what: `bit ${bit} of byte ${offset} of ${path}`,
    change: (at, bytes) => {
      if (at !== path) return bytes;
      const damaged = Buffer.from(bytes);
      damaged[offset]! ^= 1 << bit;
      return damaged;
    },
  };
}

export function cutAt(path: string, length: number): LogDamage {
  return {
    what: `${path} cut to ${length}`,
    change: (at, bytes) => (at === path ? bytes.subarray(0, length) : bytes),
  };
}

/** Flips bits and cuts, in turn, one place after another and with each witness, until the time is up. */
export async function openDamaged(
  trials: OpenTrials,
  random: Random,
  until: number,
  most = Number.POSITIVE_INFINITY,
): Promise<HarnessResult> {
  const counts: Record<string, number> = {
    trials: 0,
    "versions loaded": 0,
    "refused to open": 0,
    "numbers given twice": 0,
  };
  const violations: string[] = [];
  const total = trials.segments("nothing").reduce((sum, { bytes }) => sum + bytes.length, 0);
  for (const at of shuffled(total, random)) {
    const trial = counts.trials!;
    if (isEnough(trial, until, most)) break;
    const witness = WITNESSES[trial % WITNESSES.length]!;
    const { index, rest } = placeIn(
      trials.segments("nothing").map(({ bytes }) => bytes.length),
      at,
    );
    const { path, bytes } = trials.segments(witness)[index] ?? trials.segments(witness).at(-1)!;
    const offset = Math.min(rest, bytes.length - 1);
    const damage =
      Math.floor(trial / WITNESSES.length) % 3 === 2
        ? cutAt(path, offset)
        : flipAt(path, offset, random.below(8));
    const found = await trials.try(witness, damage.change, random.next() < 0.5);
    counts.trials = trial + 1;
    counts["versions loaded"]! += found.right.size;
    if (found.outcome !== "opened") counts["refused to open"]!++;
    counts["numbers given twice"]! += found.twice.length;
    for (const violation of found.violations) violations.push(`${damage.what}, ${witness}: ${violation}`);
    if (found.twice.length > 0) violations.push(`${damage.what}, ${witness}: given twice: ${found.twice}`);
  }
  return { counts, violations };
}

export const openOverDamage: Harness = {
  name: "damage-open",
  run: ({ seed, until }) =>
    withBothLogs(until, 0.5, (what, segmentBytesMax, end) =>
      OpenTrials.during(segmentBytesMax, (trials) => openDamaged(trials, new Random(what, seed), end)),
    ),
};

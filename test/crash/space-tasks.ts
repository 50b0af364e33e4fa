import { join } from "node:path";
import type { Random } from "../helpers/random.ts";
import type { Aim } from "./points.ts";
import type { Point } from "./points-list.ts";
import { leadsTo, POINTS } from "./points-list.ts";
import type { SpaceTask } from "./space-program.ts";

/** What is done to the processes of a history. */
export type Treatment = "none" | "kills" | "kills at points" | "stops" | "long stops";

/** One in so many is of a store that keeps its size by itself. */
const CAPPED_ONE_IN = 8;
const SEGMENT_BYTES = [1_500, 4_000, 12_000, 60_000];
const CALLS_MAX = 40;

const TIMES = { beat: 5_000, look: 15, silenceMax: 60_000 };
const SHORT_TIMES = { beat: 60, look: 15, silenceMax: 300 };

/** Points that only who moves records, packs the index, or backs up, comes by. */
export const SPACE_POINTS: readonly Point[] = POINTS.filter((point) =>
  ["compact", "pack", "backup"].includes(leadsTo(point)),
);

/** Points of what all of them do all the time; what was written before one counts, or does not, for everybody. */
const COMMIT_POINTS: readonly Point[] = [
  "append group: half-way",
  "append group: after",
  "index transaction: before its commit",
  "index transaction: after",
];
/** Of so many aims one is at these. */
const COMMIT_POINTS_ONE_IN = 3;
const COMMITS_MAX = 40;

/** What each process of a history has to do. */
export function drawTasks(
  random: Random,
  folder: string,
  treatment: Treatment,
  points: readonly Point[],
): SpaceTask[] {
  const count = 2 + random.below(3);
  const segmentBytesMax = SEGMENT_BYTES[random.below(SEGMENT_BYTES.length)]!;
  const maxSize = 4 * segmentBytesMax + random.below(20_000);
  const capped = random.below(CAPPED_ONE_IN) === 0 && { maxSize };
  const packs = random.below(2) === 0;
  const times = treatment === "long stops" ? SHORT_TIMES : TIMES;
  return Array.from({ length: count }, (_, i) => {
    const aim = drawAim(random, points);
    const aims = treatment === "kills at points" && aim && random.below(3) > 0;
    return {
      home: join(folder, "home"),
      history: join(folder, `calls-${i}`),
      backups: join(folder, "backups"),
      who: `p${i}`,
      seed: random.below(2 ** 31),
      calls: 5 + random.below(CALLS_MAX),
      durability: random.below(2) === 0 ? "buffered" : "durable",
      readOnly: i > 0 && random.below(5) === 0,
      first: i === 0,
      segmentBytesMax,
      times,
      packs,
      ...capped,
      ...(aims && { aim }),
    };
  });
}

function drawAim(random: Random, points: readonly Point[]): Aim | undefined {
  const isOfCommit = random.below(COMMIT_POINTS_ONE_IN) === 0;
  const [from, countMax] = isOfCommit ? [COMMIT_POINTS, COMMITS_MAX] : [points, 2];
  const point = from[random.below(from.length)];
  return point && { point, count: 1 + random.below(countMax), signal: "SIGKILL" };
}

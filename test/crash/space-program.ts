/**
 * One of several processes that use a home at once, for `space`: saves, deletes, compacts and reads at random, noting each
 * call, until its calls are made or it is killed. A process serves one history after another, as its input says.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { Random } from "../helpers/random.ts";
import type { Aim } from "./points.ts";
import { takeAim } from "./points.ts";
import type { Line } from "./space-events.ts";
import { SpaceMember } from "./space-member.ts";

/** A line of the input. */
export interface SpaceTask {
  home: string;
  /** Where it notes its calls. */
  history: string;
  /** A folder for backups. */
  backups: string;
  who: string;
  seed: number;
  calls: number;
  durability: "durable" | "buffered";
  readOnly: boolean;
  /** It makes the store, and is then waited for. */
  first: boolean;
  segmentBytesMax: number;
  /** The store keeps itself below so many bytes. */
  maxSize?: number;
  /** Milliseconds of the signs of life: see `LockTimes`. */
  times: { beat: number; look: number; silenceMax: number };
  /** It packs the index where nobody writes for a moment. */
  packs: boolean;
  aim?: Aim;
}

const say = (word: string) => writeSync(1, `${word}\n`);

async function perform(task: SpaceTask): Promise<void> {
  takeAim(task.aim, (point) => say(`at ${point}`));
  const file = openSync(task.history, "a", 0o600);
  const member = new SpaceMember(task, new Random("space", task.seed), (line: Line) =>
    writeSync(file, `${JSON.stringify(line)}\n`),
  );
  try {
    await member.open();
    if (task.first) await member.begin();
    say("ready");
    await member.work();
    await member.close();
  } finally {
    closeSync(file);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  await perform(JSON.parse(line) as SpaceTask);
  say("done");
}

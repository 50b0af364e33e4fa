/** The locks and the index damaged under a process that has the store open, and looked at by another one meanwhile. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { lockFolder } from "../../engine/index/lock.ts";
import { openStore } from "../../engine/main.ts";
import { flipSomeBit } from "../helpers/damage.ts";
import { newestIndex } from "../helpers/indexes.ts";
import { Random } from "../helpers/random.ts";
import { fileDamages } from "./damage-index.ts";
import { OpenTrials } from "./damage-open.ts";
import { isEnough } from "./damage-order.ts";
import type { Harness, HarnessResult } from "./harness.ts";
import { PlainProcess } from "./plain-programs.ts";

const FILES = ["lock data", "lock locks", "index data", "index locks"] as const;
type LiveFile = (typeof FILES)[number];

function pathOf(home: string, file: LiveFile, random: Random): string {
  const folder = file.startsWith("lock") ? lockFolder(home) : newestIndex(home);
  const name = file.endsWith("data") ? "data.mdb" : "lock.mdb";
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(
    (path) => basename(path) === name,
  );
  return join(folder, paths[random.below(paths.length)]!);
}

export interface LiveDamage {
  what: string;
  apply(path: string, random: Random): void;
}

/** Written in place, since a process has the file in its memory. */
function overwrite(path: string, bytes: Buffer): void {
  writeFileSync(path, bytes, { flag: "r+" });
}

function liveDamages(): LiveDamage[] {
  const inPages = [...fileDamages()]
    .filter(([name]) => /^(bit|garbage|zeros|ones|another)/.test(name))
    .map(([what, change]) => ({
      what,
      apply: (path: string, random: Random) => {
        const changed = path.endsWith("data.mdb") ? change(readFileSync(path), random) : undefined;
        if (changed?.bytes) overwrite(path, changed.bytes);
      },
    }));
  return [
    ...inPages,
    {
      what: "a flipped bit",
      apply: (path, random) => {
        const bytes = readFileSync(path);
        flipSomeBit(bytes, random);
        overwrite(path, bytes);
      },
    },
    { what: "garbage", apply: (path, random) => overwrite(path, random.bytes(readFileSync(path).length)) },
    { what: "zeros", apply: (path) => overwrite(path, Buffer.alloc(readFileSync(path).length)) },
    { what: "cut", apply: (path, random) => truncateSync(path, random.below(readFileSync(path).length)) },
    { what: "emptied", apply: (path) => truncateSync(path, 0) },
    { what: "removed", apply: (path) => rmSync(path) },
    { what: "replaced by a copy", apply: replaceByCopy },
  ];
}

function replaceByCopy(path: string): void {
  const bytes = readFileSync(path);
  rmSync(path);
  writeFileSync(path, bytes);
}

export interface LiveFound {
  /** What became of the process that had it open: `lived`, `died SIGBUS`. */
  holder: string;
  /** What became of one that opened it meanwhile: how it was refused, `opened`, `died`. */
  other: string;
  acknowledged: number;
  violations: string[];
}

/** Damages one file under a writer, lets another process examine the store, and looks for what was acknowledged. */
async function tryLive(
  trials: OpenTrials,
  damage: LiveDamage,
  file: LiveFile,
  random: Random,
): Promise<LiveFound> {
  const home = trials.put("clean index", (_, bytes) => bytes);
  const holder = new PlainProcess("damage-holder-program", { home });
  try {
    for (let i = 0; i < 5; i++) await holder.expect();
    damage.apply(pathOf(home, file, random), random);
    await sleep(100);
    // All of these are what a call may fail with while the locks are not what they were.
    const codes = ["IO", "UNAVAILABLE", "CORRUPTION"];
    const options = { witnessed: false, again: false, mayRefuse: codes, mayFail: codes };
    const found = await trials.process.examine(home, options);
    const ended = holder.hasEnded ? (await holder.ended).signal : undefined;
    await holder.kill();
    const lines = holder.lines.map(
      (line) => JSON.parse(line) as { ref?: string; n?: number; uncaught?: string },
    );
    const acknowledged = lines.filter(({ ref }) => ref !== undefined) as { ref: string; n: number }[];
    const uncaught = lines.flatMap((line) => (line.uncaught ? [`uncaught: ${line.uncaught}`] : []));
    // What LMDB has in its memory can't be checked while others use it: whoever damages it then can take a process down.
    const told = found.end?.startsWith("died") ? [] : found.violations;
    const violations = [...told, ...uncaught, ...(await lostOf(home, acknowledged))];
    const where = `${file}: ${damage.what}: `;
    return {
      holder: ended ? `died ${ended}` : "lived",
      other: found.end ?? found.outcome,
      acknowledged: acknowledged.length,
      violations: violations.map((text) => where + text),
    };
  } finally {
    await holder.kill();
    rmSync(home, { recursive: true, force: true });
  }
}

/** What was acknowledged and is not in the log. */
async function lostOf(home: string, acknowledged: { ref: string; n: number }[]): Promise<string[]> {
  const copy = mkdtempSync(`${home}-copy-`);
  cpSync(join(home, "log"), join(copy, "log"), { recursive: true });
  const store = await openStore({ home: copy, environment: false });
  const lost: string[] = [];
  const refs = new Set<string>();
  for (const { ref, n } of acknowledged) {
    if (refs.has(ref)) lost.push(`${ref} was given twice`);
    refs.add(ref);
    const value = await store.load<{ n: number }>(ref).catch((error: Error) => error);
    if ((value as { n?: number }).n !== n)
      lost.push(`${ref} was acknowledged and is ${JSON.stringify(value)}`);
  }
  await store.close();
  rmSync(copy, { recursive: true, force: true });
  return lost;
}

async function tryAllLive(
  trials: OpenTrials,
  random: Random,
  until: number,
  most = Number.POSITIVE_INFINITY,
): Promise<HarnessResult> {
  const counts: Record<string, number> = { trials: 0, "acknowledged saves": 0 };
  const violations: string[] = [];
  const damages = liveDamages();
  for (; !isEnough(counts.trials!, until, most); counts.trials!++) {
    const damage = damages[random.below(damages.length)]!;
    const found = await tryLive(trials, damage, FILES[random.below(FILES.length)]!, random);
    counts["acknowledged saves"]! += found.acknowledged;
    for (const what of [`writer ${found.holder}`, `other ${found.other}`])
      counts[what] = (counts[what] ?? 0) + 1;
    violations.push(...found.violations);
  }
  return { counts, violations };
}

export const live: Harness = {
  name: "damage-live",
  run: ({ seed, until }) =>
    OpenTrials.during(1200, (trials) => tryAllLive(trials, new Random("live", seed), until)),
};

/** The index and its locks damaged, and used in processes of their own, which may die of it. */
import { Random } from "../helpers/random.ts";
import type { Changed, Hit, Overwrite, PageKind } from "./damage-index-kinds.ts";
import { flipInPage, olderState, overwritePage, resize } from "./damage-index-kinds.ts";
import type { Filling, Material } from "./damage-material.ts";
import { putMaterial, removeHome } from "./damage-material.ts";
import { isEnough, shuffled } from "./damage-order.ts";
import { PairTrials } from "./damage-pair.ts";
import type { Found } from "./damage-process.ts";
import type { Harness, HarnessResult } from "./harness.ts";

export type Trust = "closed, next boot" | "closed, same boot" | "killed, same boot";
const TRUSTS: Trust[] = ["closed, next boot", "closed, same boot", "killed, same boot"];

export interface Damage {
  what: string;
  /** Changes the bytes of files of the home; what is undefined is not written. */
  change(path: string, bytes: Buffer): Buffer | undefined;
  /** Codes with which the store may refuse to open, and calls may fail; default: none. */
  mayFail?: readonly string[];
}

/** Trials of stores with the same contents, in a process that is started again when it dies. */
export class IndexTrials {
  readonly #trials: PairTrials;

  private constructor(trials: PairTrials) {
    this.#trials = trials;
  }

  static async make(filling: Filling): Promise<IndexTrials> {
    return new IndexTrials(await PairTrials.make(filling));
  }

  materialOf(trust: Trust): Material {
    const { killed, closed } = this.#trials.pair;
    return trust === "killed, same boot" ? killed : closed;
  }

  async try(damage: Damage, trust: Trust, readOnly = false): Promise<Found> {
    const home = this.#trials.newHome();
    putMaterial(home, this.materialOf(trust), {
      sameBoot: trust !== "closed, next boot",
      change: (path, bytes) => damage.change(path, bytes),
    });
    try {
      const { mayFail = [] } = damage;
      return await this.#trials.process.examine(home, {
        witnessed: true,
        again: false,
        readOnly,
        mayFail,
        mayRefuse: mayFail,
      });
    } finally {
      removeHome(home);
    }
  }

  remove(): Promise<void> {
    return this.#trials.remove();
  }
}

const HITS: Partial<Record<PageKind, Hit[]>> = {
  meta: ["all"],
  branch: ["header", "pointers", "nodes"],
  leaf: ["header", "pointers", "nodes"],
  freelist: ["header", "pointers", "nodes"],
  unused: ["all"],
};
const OVERWRITES: Overwrite[] = ["garbage", "zeros", "ones", "another page"];

type Change = (data: Buffer, random: Random) => Changed | undefined;

/** Every way in which a file of LMDB is damaged, by its name. */
export function fileDamages(): Map<string, Change> {
  const damages = new Map<string, Change>();
  for (const [kind, hits] of Object.entries(HITS) as [PageKind, Hit[]][]) {
    for (const hit of hits)
      damages.set(`bit of ${kind} ${hit}`, (data, random) => flipInPage(data, kind, hit, random));
    for (const by of OVERWRITES)
      damages.set(`${by} over ${kind}`, (data, random) => overwritePage(data, kind, by, random));
  }
  for (const how of ["cut", "cut at a page", "lengthened"] as const)
    damages.set(how, (data, random) => resize(data, how, random));
  damages.set("emptied", () => ({ what: "emptied", bytes: Buffer.alloc(0) }));
  damages.set("removed", () => ({ what: "removed", bytes: undefined }));
  damages.set("an older state", (data) => ({ what: "an older state", bytes: olderState(data) }));
  return damages;
}

/** Which file of a home is damaged. */
export type Target = "index" | "lock environment";

/** One damage of one file; undefined when there is nothing of the kind to be damaged. */
function damageOf(target: Target, material: Material, change: Change, random: Random): Damage | undefined {
  const locks = [...material.lock];
  const [lock, lockData] = locks[random.below(locks.length)]!;
  const data = target === "index" ? material.index.get("data.mdb")! : lockData;
  const changed = change(data, random);
  if (!changed) return undefined;
  const isHit = (path: string) =>
    target === "index"
      ? /^index-\d+\/data\.mdb$/.test(path)
      : path.startsWith("lock/") && path.endsWith(`/${lock}`);
  const name = target === "index" ? "index" : `locks, ${lock}`;
  return {
    what: `${name}: ${changed.what}`,
    // Without its locks a store can't be used; all that is wanted is to be told.
    mayFail: target === "index" ? [] : ["IO"],
    change: (path, bytes) => (isHit(path) ? changed.bytes : bytes),
  };
}

/** Tries each damage of each file, by each way in which the store was left, until the time is up. */
export async function tryIndexes(
  trials: IndexTrials,
  random: Random,
  until: number,
  most = Number.POSITIVE_INFINITY,
): Promise<HarnessResult> {
  const counts: Record<string, number> = {
    trials: 0,
    died: 0,
    hung: 0,
    "versions loaded": 0,
    "told by verify": 0,
  };
  const violations: string[] = [];
  const cases = [...fileDamages().values()].flatMap((change) =>
    TRUSTS.flatMap((trust) => targetsOf(trust).map((target) => ({ change, trust, target }))),
  );
  do {
    for (const at of shuffled(cases.length, random)) {
      if (isEnough(counts.trials!, until, most)) break;
      const { change, trust, target } = cases[at]!;
      const damage = damageOf(target, trials.materialOf(trust), change, random);
      if (!damage) continue;
      const readOnly = random.next() < 0.25;
      const found = await trials.try(damage, trust, readOnly);
      counts.trials!++;
      counts["versions loaded"]! += found.right;
      if (found.told) counts["told by verify"]!++;
      if (found.end) counts[found.end.startsWith("died") ? "died" : "hung"]!++;
      const wrong = [...found.violations, ...found.twice.map((ref) => `given twice: ${ref}`)];
      for (const text of wrong)
        violations.push(`${damage.what}; ${trust}${readOnly ? ", read-only" : ""}: ${text}`);
    }
  } while (!isEnough(counts.trials!, until, most));
  return { counts, violations };
}

/** A boot that does not know the store has no lock environment for it. */
function targetsOf(trust: Trust): Target[] {
  return trust === "closed, next boot" ? ["index"] : ["index", "lock environment"];
}

export const indexes: Harness = {
  name: "damage-index",
  async run({ seed, until }) {
    const trials = await IndexTrials.make({ names: 60, versions: 6 });
    try {
      return await tryIndexes(trials, new Random("index", seed), until);
    } finally {
      await trials.remove();
    }
  },
};

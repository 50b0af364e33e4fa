/** Stores whose small files and folders are damaged, used in another process, for writing and read-only. */
import { lstatSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { contentDigest } from "../../engine/blob/digest.ts";
import { Random } from "../helpers/random.ts";
import type { ControlDamage } from "./damage-control-kinds.ts";
import { controlDamages } from "./damage-control-kinds.ts";
import type { Witness } from "./damage-open.ts";
import { OpenTrials } from "./damage-open.ts";
import { isEnough, shuffled } from "./damage-order.ts";
import type { Harness, HarnessResult } from "./harness.ts";

/** Who only reads takes part in the locks too, and is entered among the readers. */
const LOCKS = /lock\.mdb$|^lock\//;

async function tryControl(
  trials: OpenTrials,
  damage: ControlDamage,
  witness: Witness,
  random: Random,
  readOnly: boolean,
): Promise<{ violations: string[]; outcome: string }> {
  const home = trials.put(witness, (_, bytes) => bytes);
  try {
    damage.apply(home, random);
    const before = readOnly ? fingerprintOf(home) : [];
    const options = { mayRefuse: damage.mayRefuse ?? [], witnessed: true, again: !readOnly, readOnly };
    const { violations, twice, outcome, told } = await trials.process.examine(home, options);
    if (outcome === "opened" && told && damage.what !== "the log is empty")
      violations.push("damage of the log is reported, and there is none");
    violations.push(...twice.map((ref) => `given twice: ${ref}`));
    if (readOnly) violations.push(...differences(before, fingerprintOf(home)));
    return {
      violations: violations.map(
        (text) => `${damage.what}, ${witness}${readOnly ? ", read-only" : ""}: ${text}`,
      ),
      outcome,
    };
  } finally {
    rmSync(home, { recursive: true, force: true });
    rmSync(`${home}-log`, { recursive: true, force: true });
  }
}

/** One line for each file and folder, which changes with it. */
function fingerprintOf(home: string): string[] {
  return readdirSync(home, { recursive: true, encoding: "utf8" })
    .filter((path) => !LOCKS.test(path))
    .map((path) => {
      const found = lstatSync(join(home, path));
      const content = found.isFile() ? contentDigest(readFileSync(join(home, path))).toString("hex") : "";
      return `${path} ${found.mtimeMs} ${found.mode} ${found.size} ${content}`;
    });
}

function differences(before: string[], after: string[]): string[] {
  const changed = after
    .filter((line) => !before.includes(line))
    .concat(before.filter((line) => !after.includes(line)));
  return changed.length === 0 ? [] : [`written into the home: ${changed.map((line) => line.slice(0, 80))}`];
}

const CONTROL_WITNESSES: Witness[] = ["lock of this boot", "clean index"];

export async function tryAllControls(
  trials: OpenTrials,
  random: Random,
  until: number,
  most = Number.POSITIVE_INFINITY,
): Promise<HarnessResult> {
  const counts: Record<string, number> = { trials: 0, "refused to open": 0 };
  const violations: string[] = [];
  const damages = controlDamages();
  const cases = damages.flatMap((damage) =>
    CONTROL_WITNESSES.flatMap((witness) => [false, true].map((readOnly) => ({ damage, witness, readOnly }))),
  );
  do {
    for (const at of shuffled(cases.length, random)) {
      if (isEnough(counts.trials!, until, most)) break;
      const { damage, witness, readOnly } = cases[at]!;
      const found = await tryControl(trials, damage, witness, random, readOnly);
      counts.trials!++;
      if (found.outcome !== "opened") counts["refused to open"]!++;
      violations.push(...found.violations);
    }
  } while (!isEnough(counts.trials!, until, most));
  return { counts, violations };
}

export const control: Harness = {
  name: "damage-control",
  run: ({ seed, until }) =>
    OpenTrials.during(1200, (trials) => tryAllControls(trials, new Random("control", seed), until)),
};

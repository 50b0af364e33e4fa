import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Random } from "../helpers/random.ts";
import { tryAllControls } from "./damage-control.ts";
import { IndexTrials, tryIndexes } from "./damage-index.ts";
import { OpenTrials } from "./damage-open.ts";
import { killPlainProcesses } from "./plain-programs.ts";
import "../helpers/whole-suites.ts";

const test = suite("a damaged index, damaged locks and control files");
test.after(killPlainProcesses);

/** More for a long run, or `npm run torture -- --only damage-index,damage-control`. */
const INDEXES = Number(process.env.VARVE_CRASH_INDEXES ?? 25);
const CONTROLS = Number(process.env.VARVE_CRASH_CONTROLS ?? 30);

test("whatever is done to the files of LMDB, nobody dies or hangs of it, and every value is right", async () => {
  const random = new Random("index");
  const trials = await IndexTrials.make({ names: 24, versions: 4 });
  try {
    const { violations } = await tryIndexes(trials, random, Number.POSITIVE_INFINITY, INDEXES);
    assert.equal(violations, [], `seed ${random.seed}`);
  } finally {
    await trials.remove();
  }
});

test("whatever stands in the place of control files, the store opens or says why not, and leaves the log as it is", async () => {
  const random = new Random("control files");
  const trials = await OpenTrials.make(1200);
  try {
    const { violations } = await tryAllControls(trials, random, Number.POSITIVE_INFINITY, CONTROLS);
    assert.equal(violations, [], `seed ${random.seed}`);
  } finally {
    await trials.remove();
  }
});

test.run();

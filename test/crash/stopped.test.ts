import { suite } from "uvu";
import * as assert from "uvu/assert";
import "../helpers/whole-suites.ts";
import { Random } from "../helpers/random.ts";
import { killPlainProcesses } from "./plain-programs.ts";
import { POINTS_WITH_LOCK, StoppedTally, stoppedRound } from "./stopped.ts";

const test = suite("stopped with the lock");
test.after.each(killPlainProcesses);

for (const kill of [false, true]) {
  const then = kill ? "is killed" : "goes on";
  test(`while the holder is stopped saves are UNAVAILABLE, reads and close go on, and all do when it ${then}`, async () => {
    const random = new Random(`stopped, ${then}`);
    const tally = new StoppedTally();
    const point = POINTS_WITH_LOCK[random.below(POINTS_WITH_LOCK.length)]!;
    await stoppedRound(random.seed, point, kill, tally);
    assert.equal(tally.violations, []);
    assert.is(tally.counts.stops, 1, `nobody came by “${point}”`);
  });
}

test.run();

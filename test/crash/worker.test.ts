import { suite } from "uvu";
import * as assert from "uvu/assert";
import "../helpers/whole-suites.ts";
import { killPlainProcesses } from "./plain-programs.ts";
import { WorkerTally, workerRound } from "./worker.ts";

const test = suite("worker threads");
test.after.each(killPlainProcesses);

for (const threads of [2, 4]) {
  test(`${threads} threads and the main one save in one home, closing and ending at different times`, async () => {
    const tally = new WorkerTally();
    await workerRound(threads, 30, tally);
    assert.equal(tally.violations, []);
    assert.ok(tally.counts.saves > 0);
  });
}

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import "../helpers/whole-suites.ts";
import { Random } from "../helpers/random.ts";
import { FullDiskTally, fullDiskRound, hasSmallDisks } from "./full-disk.ts";
import { killPlainProcesses } from "./plain-programs.ts";

const test = suite("a full disk");
test.after.each(killPlainProcesses);

const possible = hasSmallDisks();
if (!possible) console.log("a full disk: skipped: both tests (unshare or mount is refused)");

for (const [what, minFreeSpace] of [
  ["with room kept for deletions", 2 * 1024 * 1024],
  ["to the last byte", 0],
] as const) {
  (possible ? test : test.skip)(
    `a disk that is full, ${what}, loses nothing and ends no process, and all works when there is room`,
    async () => {
      const { seed } = new Random(`full disk, ${what}`);
      const tally = new FullDiskTally();
      await fullDiskRound(seed, minFreeSpace, tally);
      assert.equal(tally.violations, []);
      assert.ok(tally.counts.saves! > 0);
      assert.ok(tally.counts.refusals! > 0);
    },
  );
}

test.run();

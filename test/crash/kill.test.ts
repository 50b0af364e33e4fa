import { suite } from "uvu";
import * as assert from "uvu/assert";
import "../helpers/whole-suites.ts";
import { Random } from "../helpers/random.ts";
import { KillTally, killRound } from "./kill.ts";
import { killPlainProcesses, PlainProcess } from "./plain-programs.ts";
import { POINTS } from "./points-list.ts";

const test = suite("kill -9");
test.after.each(killPlainProcesses);

/** A point can be missed when another writer was faster; it is not missed again and again. */
const TRIES = 4;

test("after a kill at each named point and at random moments everything acknowledged is there, once", async () => {
  const { seed } = new Random("kill -9");
  const tally = new KillTally();
  const checkers = [0, 1].map(() => new PlainProcess("kill-checker-program", {}));
  for (let i = 0; i < TRIES && tally.reached.size < POINTS.length; i++) {
    const missing = POINTS.filter((point) => !tally.reached.has(point));
    const halves = [0, 1].map((half) => missing.filter((_, j) => j % 2 === half));
    await Promise.all(
      halves.map((points, half) =>
        killRound(seed + 2 * i + half, tally, checkers[half]!, points, i === 0 ? 6 : 0),
      ),
    );
  }
  assert.equal(tally.violations, [], `seed ${seed}`);
  assert.equal(
    POINTS.filter((point) => !tally.reached.has(point)),
    [],
    "points that no process came by",
  );
  console.log(`kill -9: ${JSON.stringify(tally.counts)}`);
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import "../helpers/whole-suites.ts";
import { Random } from "../helpers/random.ts";
import { AloneTally, aloneRound } from "./alone.ts";
import { killPlainProcesses } from "./plain-programs.ts";

const test = suite("two that believe to be alone");
test.after.each(killPlainProcesses);

test("writers whose lock was removed under them lose nothing that was acknowledged without a report", async () => {
  const { seed } = new Random("alone");
  const tally = new AloneTally();
  await aloneRound(seed, tally);
  assert.equal(tally.violations, []);
  assert.ok(tally.counts.saves > 0);
});

test.run();

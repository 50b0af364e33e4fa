import { suite } from "uvu";
import * as assert from "uvu/assert";
import "../helpers/whole-suites.ts";
import { checkTrace, hasStrace, OrderTally, orderRound, readTrace } from "./order.ts";
import { killPlainProcesses } from "./plain-programs.ts";

const test = suite("order of system calls");
test.after.each(killPlainProcesses);

const possible = hasStrace();
if (!possible) console.log("order of system calls: skipped: both traces (strace is missing or refused)");

for (const durability of ["durable", "buffered"] as const) {
  (possible ? test : test.skip)(`what is said of a ${durability} save is true of the disk`, async () => {
    const tally = new OrderTally();
    await orderRound(durability, tally);
    assert.equal(tally.violations, []);
    assert.ok(tally.counts.calls > 20);
  });
}

const OLD = "/h/log/0000000001.varve";
const NEW = "/h/log/0000000002.varve";
const GOOD = [
  'write(1</o>, "BEGIN\\n", 6) = 6',
  `write(9<${OLD}>, "x", 1) = 1`,
  `fdatasync(9<${OLD}>) = 0`,
  'write(1</o>, "SAVED\\n", 6) = 6',
  `write(9<${OLD}>, "x", 1) = 1`,
  `fdatasync(9<${OLD}>) = 0`,
  'write(1</o>, "FULL\\n", 5) = 5',
  `fdatasync(9<${OLD}>) = 0`,
  'write(10</h/log/new-1.tmp>, "VARVELOG"..., 128) = 128',
  "fdatasync(10</h/log/new-1.tmp>) = 0",
  `linkat(AT_FDCWD, "/h/log/new-1.tmp", AT_FDCWD, "${NEW}", 0) = 0`,
  "fsync(11</h/log>) = 0",
  `write(12<${NEW}>, "x", 1) = 1`,
  `fdatasync(12<${NEW}>) = 0`,
  'write(1</o>, "ROLLED\\n", 7) = 7',
  'write(1</o>, "CLOSED\\n", 7) = 7',
];
const traceOf = (lines: string[]) => readTrace(lines.map((line) => `100 ${line}`).join("\n"));

test("a trace in which all is in order has nothing to be said of it", () => {
  assert.equal(checkTrace(traceOf(GOOD), "durable"), []);
});

for (const [what, line] of [
  ["the sync of a save", 2],
  ["the sync of a full segment", 7],
  ["the sync of a new segment", 9],
  ["the sync of the folder", 11],
  ["the sync behind a roll", 13],
] as const) {
  test(`of a trace it is noticed when ${what} is missing, or comes too late`, () => {
    const without = GOOD.filter((_, i) => i !== line);
    assert.is.not(checkTrace(traceOf(without), "durable").length, 0);
    const late = [...without.slice(0, line + 1), GOOD[line]!, ...without.slice(line + 1)];
    assert.is.not(checkTrace(traceOf(late), "durable").length, 0);
  });
}

test("a sync on another thread counts when it has returned", () => {
  const resumed = GOOD.flatMap((line, i) => (i === 2 ? [] : [`100 ${line}`]));
  resumed.splice(2, 0, `101 fdatasync(9<${OLD}> <unfinished ...>`);
  resumed.splice(4, 0, "101 <... fdatasync resumed>) = 0");
  assert.is.not(checkTrace(readTrace(resumed.join("\n")), "durable").length, 0);
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findBase } from "../../bench/gate/base.ts";
import { type GateRow, gateLines } from "../../bench/gate/gate.ts";
import { type GateRound, judge, MARGIN } from "../../bench/gate/judge.ts";
import { Slices, sliced } from "../../bench/gate/slices.ts";
import type { OpenSubject } from "../../cli/bench/subject.ts";

const test = suite("the gate on speed");

const round = (base: number, again: number, own: number): GateRound => ({ base, again, own });

test("slower is what is slower by more than the base differs from itself, and a margin", () => {
  const rounds = (own: number) => [round(100, 100, own), round(100, 110, own), round(100, 100, own)];
  const { spread, ratio, isSlower } = judge(rounds(70));
  assert.ok(Math.abs(spread - 0.1) < 1e-9, "of the round where it differs most");
  assert.ok(Math.abs(ratio.median - 0.7) < 1e-9);
  assert.ok(isSlower);
  assert.not(judge(rounds(100)).isSlower);
  assert.not(judge(rounds(100 / 1.1 / (1 + MARGIN / 2))).isSlower, "within the margin");
  assert.ok(judge(rounds(100 / 1.1 / (1 + MARGIN * 1.5))).isSlower);
});

test("which of the two bases is faster makes no difference", () => {
  const rounds = [round(100, 200, 80), round(200, 100, 80)];
  assert.equal(judge(rounds).ratio.median, judge(rounds.reverse()).ratio.median);
  assert.not(judge(rounds).isSlower, "a machine so noisy says nothing");
});

test("one bad round is not what decides", () => {
  assert.not(judge([round(100, 100, 10), round(100, 100, 100), round(100, 100, 99)]).isSlower);
});

test("faster is never slower", () => {
  assert.not(judge([round(100, 100, 500)]).isSlower);
});

test("where there is nothing to compare with it passes, and says why", () => {
  const lines = gateLines({ base: "no git here", isCompared: false, rows: [], slower: [] });
  assert.equal(lines, ["gate: passed, since there is nothing to compare with: no git here"]);
});

test("what is slower has its name in the last line", () => {
  const judgement = judge([round(1, 1, 0.5), round(1, 1, 0.5)]);
  const rows: GateRow[] = [{ workload: "load", by: "processor", rounds: [], ...judgement }];
  const lines = gateLines({ base: "main", isCompared: true, rows, slower: ["load"] });
  assert.match(lines.at(-1)!, /gate: FAILED: .*: load$/);
  assert.match(lines.find((line) => line.startsWith("load"))!, /processor .*0\.50.* slower$/);
});

test("a commit that git does not know is a mistake, not a pass", async () => {
  try {
    await findBase("no-such-commit");
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, /no-such-commit: git knows no such commit|not a git repository/);
  }
});

test("a turn measures each of the workloads, and goes on behind the turn before", async () => {
  const [loaded, saved] = [new Set<string>(), new Set<string>()];
  const store = {
    save: (name: string) => void saved.add(name),
    load: (name: string) => void loaded.add(name),
    list: () => 3,
  } as unknown as OpenSubject;
  const slices = new Slices(store, store, { seed: 1, bytes: 917, filled: 3_000 });
  for (const name of sliced) {
    const { operations, seconds, processorSeconds } = await slices.next(name);
    assert.ok(operations > 0 && seconds > 0 && processorSeconds! >= 0, name);
    const before = saved.size;
    await slices.next(name);
    if (name.startsWith("save")) assert.ok(saved.size > before, "no name is saved twice");
  }
  assert.ok(loaded.size > 1_000, "random loads reach more than the hot names");
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ratioOf } from "../../bench/result.ts";
import { latencyOf, median, quantile, spreadOf } from "../../cli/bench/statistics.ts";
import { digits, durationText, rateText, tableLines } from "../../cli/bench/text.ts";

const test = suite("the figures of the benchmark");

test("a quantile is the sample that the share of samples does not exceed", () => {
  const hundred = Array.from({ length: 100 }, (_, at) => at + 1);
  assert.is(quantile(hundred, 0.5), 50);
  assert.is(quantile(hundred, 0.99), 99);
  assert.is(quantile(hundred, 0.999), 100);
  assert.is(quantile(hundred, 0), 1);
  assert.is(quantile(hundred, 1), 100);
  assert.is(quantile([7], 0.9), 7);
  assert.ok(Number.isNaN(quantile([], 0.5)));
});

test("the median is the middle, or the mean of the two in the middle, whatever the order", () => {
  assert.is(median([9, 1, 5]), 5);
  assert.is(median([100, 9, 1, 5]), 7);
  assert.is(median([10, 9, 100]), 10);
  assert.ok(Number.isNaN(median([])));
});

test("a spread and latencies leave the samples as they were, and sort by size instead of text", () => {
  const samples = [10, 9, 100];
  assert.equal(spreadOf(samples), { median: 10, min: 9, max: 100 });
  assert.equal(latencyOf(samples), { p50: 10_000, p90: 100_000, p99: 100_000, p999: 100_000, max: 100_000 });
  assert.equal(samples, [10, 9, 100]);
});

const rounds = (...rates: (number | undefined)[]) =>
  rates.map((perSecond) => (perSecond === undefined ? undefined : { perSecond }));

test("a ratio compares rounds that took turns, and is won or lost only where every round says so", () => {
  const won = ratioOf(rounds(20, 40, 90), rounds(10, 10, 30))!;
  assert.equal(won, { median: 3, min: 2, max: 4, rounds: [2, 4, 3], verdict: "won" });
  assert.is(ratioOf(rounds(20, 40), rounds(40, 10))!.verdict, "even");
  assert.is(ratioOf(rounds(20, 40), rounds(40, 80))!.verdict, "lost");
});

test("a ratio leaves out a round in which one of the two failed", () => {
  assert.equal(ratioOf(rounds(20, undefined, 30), rounds(10, 10, undefined))!.rounds, [2]);
  assert.is(ratioOf(rounds(undefined), rounds(10)), undefined);
});

test("figures are shown with the digits that say something", () => {
  assert.is(rateText(412_345), "412 k");
  assert.is(rateText(3_456), "3.46 k");
  assert.is(rateText(999_900), "1.00 M");
  assert.is(rateText(41.25), "41.3");
  assert.is(durationText(0.812), "0.81 µs");
  assert.is(durationText(4_240), "4.24 ms");
  assert.is(durationText(2_000_000), "2.00 s");
  assert.is(digits(0.00412), "0.0041");
  assert.is(rateText(Number.NaN), "–");
});

test("columns of a table are as wide as their widest cell", () => {
  assert.equal(
    tableLines([
      ["a", "1"],
      ["bcd", "234"],
    ]),
    ["a      1", "bcd  234"],
  );
  assert.equal(
    tableLines(
      [
        ["a", "1"],
        ["b", "234"],
      ],
      "left",
    ),
    ["a  1", "b  234"],
  );
});

test.run();

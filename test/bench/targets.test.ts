import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { measured } from "../../bench/references.ts";
import { type Cell, cellOf } from "../../bench/runner.ts";
import { reachedOf, type Sizes } from "../../bench/targets/compare.ts";
import type { TargetsResult } from "../../bench/targets/run.ts";
import { type Target, targets } from "../../bench/targets/targets.ts";
import { workloads } from "../../bench/workloads.ts";

const test = suite<{ folder: string }>("the targets");

test.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), "varve-bench-test-"));
});
test.after.each(({ folder }) => rm(folder, { recursive: true, force: true }));

const sizes: Sizes = { small: 10, middle: 20, large: 30, usual: 5, none: 5 };

/** With these rates, round by round. */
function cell(subject: string, workload: string, artifacts: number, rates: (number | undefined)[]): Cell {
  const made = cellOf(
    measured.find(({ name }) => name === subject)!,
    workloads.find(({ name }) => name === workload)!,
    artifacts,
  );
  const memory = { residentMax: 1, heap: 1, external: 1 };
  for (const rate of rates)
    made.rounds.push(rate ? { operations: rate, seconds: 1, perSecond: rate, memory } : undefined);
  return made;
}

const target = (part: Partial<Target>): Target => ({
  ...{ path: "load", against: "another", aim: 1.2 },
  own: { subject: "varve", workload: "load", size: "none" },
  peer: { subject: "lmdb", workload: "load", size: "none" },
  ...part,
});

test("a ratio is that of the same round, and its median decides", () => {
  // Medians of the rates alone would say 1.5.
  const cells = [cell("varve", "load", 5, [100, 300, 240]), cell("lmdb", "load", 5, [100, 300, 160])];
  const reached = reachedOf(target({}), cells, sizes);
  assert.equal(reached.ratio, { median: 1, min: 1, max: 1.5, rounds: [1, 1, 1.5] });
  assert.equal([reached.verdict, reached.roundsMet], ["missed", 1]);
  assert.is(reachedOf(target({ aim: 1 }), cells, sizes).verdict, "met");
});

test("where an aim is about time, less is better", () => {
  const cells = [cell("varve", "open", 30, [50, 40]), cell("varve", "open", 10, [100, 100])];
  const sides = {
    own: { subject: "varve", workload: "open", size: "large" },
    peer: { subject: "varve", workload: "open", size: "small" },
  } as const;
  const reached = reachedOf(target({ ...sides, isTime: true, aim: 2 }), cells, sizes);
  assert.equal(reached.ratio!.rounds, [2, 2.5]);
  assert.equal([reached.verdict, reached.roundsMet], ["missed", 1]);
});

test("what could not be measured is neither met nor missed", () => {
  const cells = [cell("varve", "load", 5, [undefined]), cell("lmdb", "load", 5, [100])];
  cells[0]!.failures.push("took longer than 1 s");
  const { verdict, ratio, failures } = reachedOf(target({}), cells, sizes);
  assert.equal([verdict, ratio, failures], ["failed", undefined, ["took longer than 1 s"]]);
});

test("each target has sides that can be measured", () => {
  for (const { own, peer, path } of targets)
    for (const side of [own, peer]) {
      const subject = measured.find(({ name }) => name === side.subject);
      const workload = workloads.find(({ name }) => name === side.workload);
      assert.ok(subject && workload, path);
      assert.is(subject.unsupported[side.workload], undefined, path);
      assert.ok(subject.only?.includes(side.workload) ?? true, path);
      assert.ok(workload.only?.includes(side.subject) ?? true, path);
      const isSized = workload.state !== "empty" && workload.state !== "hot";
      assert.is(side.size !== "none", isSized, `${path}: ${side.workload}`);
    }
});

test("--targets measures in turns, prints each aim with what was reached, and leaves nothing behind", async ({
  folder,
}) => {
  const [dir, json] = [join(folder, "stores"), join(folder, "result.json")];
  const main = fileURLToPath(new URL("../../bench/main.ts", import.meta.url));
  const words = ["--targets", "--quick", "--seconds", "0.02", "--sizes", "100,200,300", "--artifacts", "100"];
  const only = ["--only", "save-one,list,load-random,process-get,process-node"];
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...["--import", import.meta.resolve("tsx"), main, ...words, ...only, "--dir", dir, "--json", json],
  ]);
  assert.match(stdout, /^`save`, one at a time +bare append and fdatasync +≥ 0.80 .*(met|missed), \d of 2/m);
  assert.match(stdout, /^random `load`, 300 artifacts +the same, 100 artifacts +≥ 0.50 /m);
  assert.match(stdout, /^time of `varve get`, whole process +`node -e 0` +≤ 2.00 /m);
  assert.match(
    stdout,
    /The aims are about other sizes: 10000, 1000000, 10000000 artifacts\.\n\d met, \d missed, 0 failed/,
  );
  assert.equal(await readdir(dir), []);
  const result = JSON.parse(await readFile(json, "utf8")) as TargetsResult;
  assert.is(result.targets.length, 6);
  for (const { path, ratio, failures } of result.targets) {
    assert.equal(failures, [], path);
    assert.is(ratio!.rounds.length, 2);
  }
});

test.run();

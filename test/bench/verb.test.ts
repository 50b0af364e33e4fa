import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CommandLine, documentsOf, errorOf } from "../helpers/command-line.ts";

const test = suite<{ line: CommandLine }>("varve bench");

test.before.each(async (context) => {
  context.line = await CommandLine.inNewFolder();
});
test.after.each(({ line }) => line.remove());

test("measures beside the home, makes no store, and leaves nothing behind", async ({ line }) => {
  const outcome = await line.varve(["bench", "--quick", "--json"]);
  assert.is(outcome.exitCode, 0, outcome.stderr);
  const [report] = documentsOf(outcome);
  assert.ok(report.machine.folder.startsWith(line.folder));
  assert.equal(
    report.results.map(({ workload }: { workload: string }) => workload),
    ["load", "load-random", "save-one", "save"],
  );
  for (const { perSecond, latency } of report.results) {
    assert.ok(perSecond > 0);
    for (const share of ["p50", "p90", "p99", "p999"]) assert.ok(latency[share] > 0);
  }
  for (const cost of ["sha256", "encode", "decode", "read"]) assert.ok(report.limits[cost] > 0);
  assert.match(report.limitedBy[0].text, /bound by the disk's flush: .* of .*/);
  assert.not(existsSync(line.home));
  assert.equal(await readdir(line.folder), []);
});

test("--compare puts other stores beside it, and says which are missing", async ({ line }) => {
  const { exitCode, stdout, stderr } = await line.varve(["bench", "--quick", "--compare", "--bytes", "200"]);
  assert.is(exitCode, 0, stderr);
  assert.match(stdout, /^ {2}lmdb .* (won|lost)$/m);
  assert.match(stdout, /^(not compared: cacache|cacache, save: never synced)/m);
});

test("Ctrl-C ends it with 130, and nothing is left", async ({ line }) => {
  const interruption = new AbortController();
  const running = line.varve(["bench"], { signal: interruption.signal });
  setTimeout(() => interruption.abort(), 300);
  assert.is((await running).exitCode, 130);
  assert.equal(await readdir(line.folder), []);
});

test("refuses sizes and seeds that are none", async ({ line }) => {
  for (const words of [
    ["--bytes", "many"],
    ["--bytes", "99999999"],
    ["--seed", "-1"],
  ]) {
    const outcome = await line.varve(["bench", ...words, "--json"]);
    assert.is(outcome.exitCode, 2, words.join(" "));
    assert.is(errorOf(outcome).code, "INVALID_ARGUMENT");
  }
});

test.run();

import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Result, Row } from "../../bench/result.ts";
import { workloads } from "../../bench/workloads.ts";
import { subjects } from "../../cli/bench/subjects.ts";

const test = suite<{ folder: string }>("the benchmark");

test.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), "varve-bench-test-"));
});
test.after.each(({ folder }) => rm(folder, { recursive: true, force: true }));

const main = fileURLToPath(new URL("../../bench/main.ts", import.meta.url));

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

function bench(...args: string[]): Promise<Ran> {
  const words = ["--import", import.meta.resolve("tsx"), main, ...args];
  return new Promise((resolve) => {
    execFile(process.execPath, words, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

const tiny = ["--quick", "--seconds", "0.02", "--artifacts", "200", "--rounds", "2"];

test("measures in turn, tells what was won and lost, and leaves nothing behind", async ({ folder }) => {
  const [dir, json] = [join(folder, "stores"), join(folder, "result.json")];
  const names = ["--only", "load,save-one,open-killed,rebuild", "--subjects", "lmdb,varve"];
  const { code, stdout, stderr } = await bench(...tiny, ...names, "--dir", dir, "--json", json);
  assert.is(code, 0, stderr);
  assert.match(stdout, /lmdb .* (won|lost|even)/);
  assert.match(stdout, /lmdb: not measured: its B-tree is the only copy/);
  assert.equal(await readdir(dir), []);
  const steps = [...stderr.matchAll(/^round (\d).*: (load|save-one), (.*)$/gm)].map((found) => found[3]);
  assert.equal(steps, Array(4).fill(["varve", "lmdb"]).flat());

  const result = JSON.parse(await readFile(json, "utf8")) as Result;
  assert.is(result.format, 1);
  assert.is(result.options.base, "varve");
  assert.type(result.machine.fileSystem, "string");
  assert.ok(result.limits.flush.p50 > 0);
  assert.is(result.rows.length, 8);
  for (const row of result.rows) checkRow(row);
});

function checkRow(row: Row): void {
  if (row.workload === "rebuild" && row.subject === "lmdb") {
    assert.type(row.unsupported, "string");
    assert.is(row.perSecond, undefined);
    return;
  }
  assert.equal(row.failures, []);
  assert.is(row.rounds.length, 2);
  const { min, median, max } = row.perSecond!;
  assert.ok(0 < min && min <= median && median <= max);
  for (const share of ["p50", "p90", "p99", "p999"] as const) assert.ok(row.latency![share] > 0);
  for (const kind of ["residentMax", "heap", "external"] as const) assert.ok(row.memory![kind] > 0);
  assert.is(row.ratio?.rounds.length, row.subject === "varve" ? undefined : 2);
}

test("every workload measures varve", async ({ folder }) => {
  const [dir, json] = [join(folder, "stores"), join(folder, "result.json")];
  const words = ["--subjects", "varve", "--large-bytes", "2000000", "--dir", dir, "--json", json];
  const { code, stdout, stderr } = await bench(...tiny, "--rounds", "1", ...words);
  assert.is(code, 0, stdout + stderr);
  const { rows } = JSON.parse(await readFile(json, "utf8")) as Result;
  assert.equal(
    rows.map(({ workload }) => workload),
    workloads.map(({ name }) => name),
  );
  for (const { workload, failures, perSecond } of rows) {
    assert.equal(failures, [], workload);
    assert.ok(perSecond!.min > 0, workload);
  }
  assert.equal(await readdir(dir), []);
});

test("several processes of a peer are measured at the same time; one that can't is not measured, with the reason", async ({
  folder,
}) => {
  const names = ["--only", "readers-2,writers-2", "--subjects", "lmdb,classic-level"];
  const { code, stdout, stderr } = await bench(...tiny, "--rounds", "1", ...names, "--dir", folder);
  assert.is(code, 0, stdout + stderr);
  assert.is(stdout.match(/classic-level: not measured: one process at a time has it open/g)?.length, 2);
  assert.is(stdout.match(/^ {2}lmdb +\d/gm)?.length, 2);
});

test("says that a measurement took too long, and goes on", async ({ folder }) => {
  const names = ["--only", "load", "--subjects", "varve", "--limit", "0.01"];
  const { code, stdout } = await bench(...tiny, ...names, "--dir", folder);
  assert.is(code, 1);
  assert.match(stdout, /varve: FAILED: .*took longer than 0.01 s/);
});

test("--help has every name with its meaning", async () => {
  const { code, stdout } = await bench("--help");
  assert.is(code, 0);
  for (const { name, does } of [...workloads, ...subjects]) {
    assert.ok(stdout.split("\n").some((line) => line.trim().startsWith(`${name} `) && line.endsWith(does)));
  }
});

test("refuses what it does not know, and says what there is", async () => {
  const mistakes = [
    ["--only", "bogus"],
    ["--subjects", "bogus"],
    ["--base", "lmdb", "--subjects", "varve"],
    ["--rounds", "0"],
    ["--bogus"],
  ];
  for (const words of mistakes) assert.is((await bench(...words)).code, 2, words.join(" "));
  assert.match((await bench("--only", "bogus")).stderr, /choose among load, load-random/);
});

test.run();

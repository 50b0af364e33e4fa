import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseOptions } from "../../bench/options.ts";
import { measured } from "../../bench/references.ts";
import { cellOf, Runner } from "../../bench/runner.ts";
import type { MeasureTask, Task } from "../../bench/task.ts";
import { workloads } from "../../bench/workloads.ts";

const test = suite<{ folder: string }>("the order of measurements");

test.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), "varve-bench-test-"));
});
test.after.each(({ folder }) => rm(folder, { recursive: true, force: true }));

/** Of what is asked, also of a writer that is to be killed. */
type Asked = Omit<MeasureTask, "kind"> & Pick<Task, "kind">;

/** Stands for the process that measures: writes down what it is asked, and measures nothing. */
const CHILD = `
import { appendFileSync } from "node:fs";
process.once("message", (task) => {
  appendFileSync(new URL("tasks", import.meta.url), JSON.stringify(task) + "\\n");
  const memory = { residentMax: 1, heap: 1, external: 1 };
  const measurement = { operations: 1, seconds: 1 };
  const kind = task.kind === "write" ? "written" : "done";
  process.send({ kind, measurement, memory }, () => process.disconnect());
});
`;

async function tasksOf(folder: string, names: readonly string[], artifacts: number): Promise<Asked[]> {
  const script = join(folder, "child.mjs");
  await writeFile(script, CHILD);
  await appendFile(join(folder, "tasks"), "");
  const options = parseOptions(["--rounds", "2", "--seconds", "0.1"])!;
  const varve = measured.find(({ name }) => name === "varve")!;
  const cells = workloads
    .filter(({ name }) => names.includes(name))
    .map((workload) => cellOf(varve, workload, artifacts));
  const signal = new AbortController().signal;
  await new Runner(options, { script, folder: join(folder, "stores"), signal, onStep: () => {} }).run(cells);
  for (const { failures, rounds } of cells) assert.equal([failures, rounds.length], [[], 2]);
  const lines = (await readFile(join(folder, "tasks"), "utf8")).trim().split("\n");
  return lines.map((line) => JSON.parse(line) as Asked);
}

const wordsOf = (tasks: readonly Asked[]) =>
  tasks.map(({ kind, workload }) => (kind === "measure" ? workload : kind));

test("a store is filled once for all that read it, and what adds to it comes behind them", async ({
  folder,
}) => {
  const tasks = await tasksOf(folder, ["load-random", "save-full", "list"], 200_000);
  assert.equal(wordsOf(tasks), [
    ...["fill", "load-random", "list", "load-random", "list"],
    ...["save-full", "save-full"],
  ]);
  assert.is(new Set(tasks.map((task) => task.folder)).size, 1);
});

test("what is saved into a store that stays has other names each time", async ({ folder }) => {
  const tasks = await tasksOf(folder, ["save-full", "mixed", "open-killed"], 200_000);
  const saving = tasks.filter(({ kind, workload }) => kind === "write" || /save-full|mixed/.test(workload!));
  const places = saving.map((task) => `${task.folder} ${task.first}`);
  assert.equal([places.length, new Set(places).size], [6, 6]);
  for (const { first, filled } of saving) assert.ok(first >= filled);
});

test("a small store that is added to is made anew for each measurement, and removed", async ({ folder }) => {
  const tasks = await tasksOf(folder, ["save-full"], 1_000);
  assert.equal(wordsOf(tasks), ["fill", "save-full", "fill", "save-full"]);
  const folders = tasks.map((task) => task.folder);
  assert.equal([folders[0], folders[2]], [folders[1], folders[3]]);
  assert.is.not(folders[0], folders[2]);
  assert.equal(await readdir(join(folder, "stores")), []);
});

test("workloads with the same filling share a store, which others do not get", async ({ folder }) => {
  const tasks = await tasksOf(folder, ["list", "versions", "load-version"], 1_000);
  const folderOf = (name: string) =>
    tasks.find(({ kind, workload }) => kind === "measure" && workload === name)!.folder;
  assert.is(tasks.filter(({ kind }) => kind === "fill").length, 2);
  assert.is(folderOf("versions"), folderOf("load-version"));
  assert.is.not(folderOf("versions"), folderOf("list"));
});

test.run();

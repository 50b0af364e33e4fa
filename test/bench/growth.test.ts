import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { chartSvg } from "../../bench/chart.ts";
import type { Growth } from "../../bench/growth/figures.ts";

const test = suite<{ folder: string }>("the benchmark of growth");

test.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), "varve-bench-test-"));
});
test.after.each(({ folder }) => rm(folder, { recursive: true, force: true }));

const main = fileURLToPath(new URL("../../bench/main.ts", import.meta.url));

test("measures each size in each way, draws it, and leaves nothing else behind", async ({ folder }) => {
  const [dir, json, charts] = [join(folder, "stores"), join(folder, "growth.json"), join(folder, "charts")];
  const words = ["--growth", "300,200", "--quick", "--seconds", "0.02", "--rounds", "1"];
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...["--import", import.meta.resolve("tsx"), main, ...words],
    ...["--dir", dir, "--json", json, "--charts", charts],
  ]);
  assert.match(stdout, /artifacts +store +load +save +open/);
  assert.equal(await readdir(dir), []);
  const { growth } = JSON.parse(await readFile(json, "utf8")) as { growth: Growth[] };
  assert.equal(
    growth.map(({ artifacts, stores }) => [artifacts, ...stores.map(({ subject }) => subject)]),
    [
      [200, "varve", "lmdb"],
      [300, "varve", "lmdb"],
    ],
  );
  for (const { artifacts, stores } of growth) {
    const [varve, lmdb] = stores;
    assert.equal(Object.keys(varve!.paths).sort(), ["load", "open", "rebuild", "replay", "save"]);
    assert.equal(Object.keys(lmdb!.paths).sort(), ["load", "open", "save"]);
    for (const { perSecond, resident } of Object.values(varve!.paths))
      assert.ok(perSecond.min > 0 && resident > 0);
    const { log, values, index } = varve!.sizes!;
    assert.ok(values > 900 * artifacts && log > values && index > 0);
  }
  const files = (await readdir(charts)).sort();
  assert.equal(files, ["bytes.svg", "index.svg", "load.svg", "memory.svg", "open.svg", "save.svg"]);
  for (const file of files)
    assert.match(await readFile(join(charts, file), "utf8"), /^<svg [\s\S]*<\/svg>\n$/);
});

/** Places of the points of a series, as drawn. */
function placesOf(svg: string, series: number): [x: number, y: number][] {
  const circles = svg.matchAll(new RegExp(`<circle class="s${series}" cx="([^"]+)" cy="([^"]+)"`, "g"));
  return [...circles].map(([, x, y]) => [Number(x), Number(y)]);
}

const chart = (ys: number[]) =>
  chartSvg({
    ...{ title: "Loads & <more>", subtitle: "today", unit: "per second", sizes: [10, 100, 1_000] },
    series: [{ name: "varve", points: ys.map((y, at) => ({ at: 10 ** (at + 1), y })) }],
  });

test("a chart has sizes by their logarithm, and heights from nothing", () => {
  const places = placesOf(chart([10, 20, 40]), 0);
  const [first, second, third] = places as [[number, number], [number, number], [number, number]];
  assert.ok(Math.abs(second[0] - first[0] - (third[0] - second[0])) < 0.5, "ten times as many, as far again");
  assert.ok(
    Math.abs((first[1] - second[1]) * 2 - (second[1] - third[1])) < 0.5,
    "twice as much, twice as high",
  );
});

test("a chart of what lies far apart has heights by their logarithm", () => {
  const [first, second, third] = placesOf(chart([1, 100, 10_000]), 0) as [number, number][];
  assert.ok(Math.abs(first![1] - second![1] - (second![1] - third![1])) < 0.5);
});

test("a chart has colours for light and for dark, dashes for none, and no words that are markup", () => {
  const svg = chart([1, 2, 3]);
  assert.match(svg, /prefers-color-scheme:dark/);
  assert.match(svg, /stroke-dasharray/);
  assert.match(svg, /Loads &amp; &lt;more&gt;|Loads &amp; &lt;more>/);
});

test.run();

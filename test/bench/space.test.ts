import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Space } from "../../bench/space/space.ts";

const test = suite<{ folder: string }>("the benchmark of space");

test.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), "varve-bench-test-"));
});
test.after.each(({ folder }) => rm(folder, { recursive: true, force: true }));

const main = fileURLToPath(new URL("../../bench/main.ts", import.meta.url));

test("tells overhead, the time of a plan and loads during compactions, and leaves nothing behind", async ({
  folder,
}) => {
  const [dir, json] = [join(folder, "stores"), join(folder, "space.json")];
  const words = ["--import", import.meta.resolve("tsx"), main, "--space", "1500"];
  const { stdout } = await promisify(execFile)(process.execPath, [...words, "--dir", dir, "--json", json]);
  assert.match(
    stdout,
    /log beside blobs[\s\S]*the index was not packed[\s\S]*from 105 to 120 %[\s\S]*A plan that lets [\s\S]*another process compacts/,
  );
  assert.equal(await readdir(dir), []);
  const { space } = JSON.parse(await readFile(json, "utf8")) as { space: Space[] };
  const [{ saved, rested, saves, compacted, planned, freedBytes, idle, same, other }] = space as [Space];
  assert.is(rested, undefined);
  const grown = saves.map(({ sizes }) => sizes);
  assert.equal(
    [saved, ...grown, compacted].map(({ artifacts }) => artifacts),
    [1_500, 1_500, 1_515, 1_575, 1_800, 1_800],
  );
  for (const { artifacts, valueBytes, blobBytes, logBytes, indexBytes } of [saved, ...grown, compacted]) {
    assert.is(valueBytes, artifacts * 1_024);
    assert.ok(logBytes > blobBytes && indexBytes > 0);
  }
  assert.is(planned, 800);
  assert.ok(freedBytes > 500 * 800, "a third of the values");
  for (const { loads, latency } of [idle, same, other]) assert.ok(loads > 0 && latency.p50 > 0);
});

test.run();

import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { MetadataRow } from "../../bench/metadata/metadata.ts";

const test = suite<{ folder: string }>("the benchmark of metadata databases");

test.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), "varve-bench-test-"));
});
test.after.each(({ folder }) => rm(folder, { recursive: true, force: true }));

const main = fileURLToPath(new URL("../../bench/main.ts", import.meta.url));

test("tells commits, saves and reads beside the driver's, and lists; the driver has written the same rows", async ({
  folder,
}) => {
  const [dir, json] = [join(folder, "stores"), join(folder, "metadata.json")];
  const words = ["--import", import.meta.resolve("tsx"), main, "--metadata", "--databases", "sqlite"];
  const sizes = ["--artifacts", "600", "--rounds", "1", "--seconds", "0.02", "--dir", dir, "--json", json];
  const { stdout } = await promisify(execFile)(process.execPath, [...words, ...sizes]);
  assert.match(
    stdout,
    /commits of units[\s\S]*saves with values[\s\S]*get, 32 at once[\s\S]*list of 600 names/,
  );
  assert.equal(await readdir(dir), []);
  const { metadata } = JSON.parse(await readFile(json, "utf8")) as { metadata: MetadataRow[] };
  const [{ kind, bulk, get, list }] = metadata as [MetadataRow];
  assert.is(kind, "sqlite");
  for (const [own, copied] of [
    [bulk.units, bulk.unitsCopied],
    [bulk.saves, bulk.savesCopied],
  ]) {
    assert.is(own!.length, 1);
    assert.is(own![0]!.count, 600);
    // A transaction that is partly of those that warm up counts as one of them.
    assert.ok(copied![0]!.count > 0 && copied![0]!.count <= 600 && copied![0]!.transactions! > 0);
  }
  assert.equal(
    get.reads!.map(({ atOnce }) => atOnce),
    [1, 32],
  );
  for (const { find, get: got, select } of get.reads!)
    for (const rates of [find, got, select]) assert.ok(rates.length === 9 && rates.every((rate) => rate > 0));
  assert.is(list.count, 600);
});

test.run();

import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Recovery } from "../../bench/recovery/recovery.ts";

const test = suite<{ folder: string }>("the benchmark of recovery");

test.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), "varve-bench-test-"));
});
test.after.each(({ folder }) => rm(folder, { recursive: true, force: true }));

const main = fileURLToPath(new URL("../../bench/main.ts", import.meta.url));

test("measures a store that was killed and one after a reboot, and leaves nothing behind", async ({
  folder,
}) => {
  const [dir, json] = [join(folder, "stores"), join(folder, "recovery.json")];
  const words = ["--import", import.meta.resolve("tsx"), main, "--recovery", "200,300"];
  const { stdout } = await promisify(execFile)(process.execPath, [...words, "--dir", dir, "--json", json]);
  assert.match(stdout, /artifacts .*open after a kill .*unclean reboot/);
  assert.equal(await readdir(dir), []);
  const { recovery } = JSON.parse(await readFile(json, "utf8")) as { recovery: Recovery[] };
  assert.equal(
    recovery.map(({ artifacts, behind }) => [artifacts, behind]),
    [
      [200, 200],
      [300, 300],
    ],
    "too few for a checkpoint: all of the log is behind it",
  );
  assert.equal(
    recovery.map(({ rebuild }) => rebuild.artifacts),
    [198, 297],
    "the last hundredth comes behind it",
  );
  for (const { logBytes, openKilled, rebuild, reboot } of recovery) {
    assert.ok(logBytes > 200 * 900);
    assert.is(openKilled.length, 3);
    for (const seconds of [...openKilled, rebuild.seconds, reboot.seconds]) assert.ok(seconds > 0);
    assert.ok(rebuild.residentMax > 0 && reboot.residentMax > 0);
  }
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BlobsTally, blobsRound } from "./blobs.ts";
import { killPlainProcesses } from "./plain-programs.ts";
import "../helpers/whole-suites.ts";

const test = suite("killed while blobs are put");
test.after.each(killPlainProcesses);

const KILLS = 6;

for (const kind of ["log", "folder"] as const)
  test(`${kind}: what was told to be put is there, and no digest has other bytes, whenever its processes are killed`, async () => {
    const tally = new BlobsTally();
    await blobsRound(Math.floor(Math.random() * 2 ** 31), kind, KILLS, tally);
    assert.equal(tally.violations, []);
    assert.ok(tally.counts.kills >= KILLS);
    assert.ok(tally.counts["told puts"] > 0);
  });

test.run();

import { chmodSync, chownSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { newFolder, removeFolders } from "../helpers/folders.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { Random } from "../helpers/random.ts";
import { putMaterial, writeExpected } from "./damage-material.ts";
import { OpenTrials, openDamaged, WITNESSES } from "./damage-open.ts";
import { segmentDamages, trySegments } from "./damage-segments.ts";
import { killPlainProcesses } from "./plain-programs.ts";
import "../helpers/whole-suites.ts";

const test = suite("stores over damaged logs");

/** More for a long run, or `npm run torture -- --only damage-open,damage-segments`. */
const TRIALS = Number(process.env.VARVE_CRASH_OPENS ?? 16);

let single: OpenTrials;
let small: OpenTrials;
let other: OpenTrials;
test.before(async () => {
  [single, small, other] = [
    await OpenTrials.make(),
    await OpenTrials.make(1200),
    await OpenTrials.make(1200),
  ];
});
test.after(async () => {
  for (const trials of [single, small, other]) await trials.remove();
  await killPlainProcesses();
});

test("over flipped bits and cuts every value is right or CORRUPTION, what is lost is told, and saving goes on", async () => {
  const random = new Random("opening damaged logs");
  for (const trials of [single, small]) {
    const { violations } = await openDamaged(trials, random, Number.POSITIVE_INFINITY, TRIALS);
    assert.equal(violations, [], `seed ${random.seed}`);
  }
});

for (const damage of segmentDamages(new Map([["", Buffer.alloc(0)]]))) {
  test(`segments: ${damage.what}`, async () => {
    const random = new Random(damage.what);
    const [same] = segmentDamages(other.pair.closed.files).filter(({ what }) => what === damage.what);
    const witness = WITNESSES[random.below(WITNESSES.length)]!;
    const found = await trySegments(small, same!, witness, random, random.next() < 0.3);
    assert.equal(
      [...found.violations, ...found.twice.map((text) => `given twice: ${text}`)],
      [],
      `seed ${random.seed}`,
    );
  });
}

/** Nobody: the tests run as root, who may read everything. */
const OTHER_UID = 65_534;

test("a segment that may not be read is told as such, and the rest is there", async () => {
  if (process.getuid?.() !== 0) return console.log("skipped: only root can start a process of another user");
  const folder = newFolder();
  const home = join(folder, "home");
  putMaterial(home, small.pair.killed, { sameBoot: true });
  const expected = join(folder, "expected.json");
  writeExpected(expected, small.pair.expected);
  for (const path of ["", ...readdirSync(folder, { recursive: true, encoding: "utf8" })])
    chownSync(join(folder, path), OTHER_UID, OTHER_UID);
  chmodSync(join(home, "log/0000000003.varve"), 0);
  const program = new Program("../crash/damage-examine-program.ts", [], { uid: OTHER_UID });
  const options = { witnessed: true, again: false, mayRefuse: ["IO"], mayFail: ["IO"] };
  program.tell(JSON.stringify({ home, expected, options }));
  for (;;) {
    const { found } = await program.expect();
    if (!found) continue;
    assert.equal([...found.violations, ...found.twice], []);
    assert.is(found.outcome, "opened");
    assert.ok(found.right > 0 && found.right < small.pair.expected.values.size);
    break;
  }
  await program.end();
});

test.after(killPrograms);
test.after(removeFolders);
test.run();

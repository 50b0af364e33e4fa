import { suite } from "uvu";
import * as assert from "uvu/assert";
import { all } from "../conformance/metadata-support.ts";
import { Program } from "../helpers/processes.ts";
import "../helpers/whole-suites.ts";
import { allDatabases } from "./databases.ts";
import { endAll, openTest, WRITABLE } from "./support.ts";

const NAME = "metadata: many at once";
const test = suite(NAME);
test.after.each(endAll);
const PROCESSES = 4;
const CONNECTIONS = 4;
const ROUNDS = 6;
const NAMES = ["a", "b b", "ü/ü"];

for (const { name, place } of allDatabases(NAME)) {
  test(`${name}: 4 processes with 4 connections each save the same names, and no version is lost or given twice`, async () => {
    const { url, remove } = await place();
    const args = [url, `${CONNECTIONS}`, `${ROUNDS}`, ...NAMES];
    // All of them open a database that has no tables yet.
    const programs = Array.from(
      { length: PROCESSES },
      () => new Program("../metadata/saver-program.ts", args),
    );
    const given = (await Promise.all(programs.map((program) => program.expect()))).flat() as string[];
    await Promise.all(programs.map((program) => program.ended()));
    const count = PROCESSES * CONNECTIONS * ROUNDS;
    const wanted = NAMES.flatMap((each) => Array.from({ length: count }, (_, i) => `${each}:${i}`));
    assert.equal(given.sort(), wanted.sort());
    const store = await openTest(url, WRITABLE);
    const operations = await all(store.operations(0));
    assert.equal(
      operations.map(({ sequence }) => sequence),
      Array.from({ length: wanted.length }, (_, i) => i + 1),
    );
    assert.equal(await store.check(), []);
    await store.close();
    await remove();
  });
}

test.run();

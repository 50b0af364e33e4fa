import { suite } from "uvu";
import * as assert from "uvu/assert";
import { filesUnder, read } from "./helpers/sources.ts";
import "./helpers/whole-suites.ts";

/** What would make a test pass that asserts nothing, or not run at all. */
const test = suite("how tests are run");

test("every file of tests runs its suites, at its end", () => {
  const wrong = filesUnder("test", ".test.ts").filter((path) => {
    const text = read(path).trimEnd();
    const suites = text.match(/= suite[<(]/g)?.length ?? 0;
    // That a server is missing is said, and in CI a failure.
    const runs = text.match(/^(if \(hasService\([^\n]*\)\) )?\w+\.run\(\);$/gm)?.length ?? 0;
    return !text.endsWith(".run();") || runs < suites;
  });
  assert.equal(wrong, []);
});

test("the test command has the pattern without which helpers run as suites", () => {
  const { scripts } = JSON.parse(read("package.json"));
  assert.match(scripts.test, "'\\.test\\.ts$'");
});

test("no test leaves `only` behind", () => {
  const wrong = filesUnder("test", ".test.ts").filter((path) => /^\s*\w+\.only\(/m.test(read(path)));
  assert.equal(wrong, []);
});

test.run();

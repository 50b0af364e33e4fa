import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CommandLine } from "../helpers/command-line.ts";

const test = suite("varve repl");
let line: CommandLine;
test.before.each(async () => {
  line = await CommandLine.inNewFolder();
});
test.after.each(() => line.remove());

test("the store and the options are at hand, also behind a change", async () => {
  const url = JSON.stringify(`sqlite:///${join(line.folder, "metadata.db")}`);
  const { stdout, stderr, exitCode } = await line.process(
    ["repl"],
    `(await store.save("a", { n: 1 })).ref
await options.set("database_url", ${url})
await store.has("a")
(await store.save("b", 2)).ref
.exit
`,
  );
  assert.is(exitCode, 0, stderr);
  assert.equal(
    stdout.split("\n").filter((each) => each !== ""),
    ["'a:0'", "undefined", "false", "'b:0'"],
  );
  assert.equal(JSON.parse((await line.process(["get", "a"])).stdout), { n: 1 });
});

test("the end of the input closes it", async () => {
  const { exitCode, stdout } = await line.process(["repl"], "1 + 1\n");
  assert.is(exitCode, 0);
  assert.is(stdout.trim(), "2");
});

test("many lines are no cause for warnings", async () => {
  const lines = Array.from({ length: 20 }, (_, i) => `${i} + 1`);
  const { exitCode, stdout, stderr } = await line.process(["repl"], `${lines.join("\n")}\n`);
  assert.is(exitCode, 0);
  assert.is(stderr, "");
  assert.equal(
    stdout.trim().split("\n"),
    lines.map((_, i) => String(i + 1)),
  );
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openStore } from "../../engine/main.ts";
import { CommandLine, documentsOf, errorOf } from "../helpers/command-line.ts";

const test = suite<{ line: CommandLine }>("the filters of varve list");

test.before.each(async (context) => {
  context.line = await CommandLine.inNewFolder();
});
test.after.each(({ line }) => line.remove());

/** One version a day from 2026-11-01 on: data:0, m/good:0, m/bad:0, m/good:1, deep/er/x:0, the later the smaller. */
async function fill(line: CommandLine): Promise<void> {
  let day = 0;
  const clock = () => new Date(Date.UTC(2026, 10, day, 12));
  const store = await openStore({ home: line.home, clock });
  const save = (name: string, size: number, metadata: { accuracy?: number }, tags = {}) => {
    day++;
    return store.save(name, Buffer.alloc(size, name), { metadata, tags });
  };
  await save("data", 5000, {});
  await save("m/good", 400, { accuracy: 0.8 });
  await save("m/bad", 300, { accuracy: 0.5 }, { stage: "dev" });
  await save("m/good", 200, { accuracy: 0.9 }, { stage: "dev" });
  await save("deep/er/x", 100, {});
  await store.close();
}

async function refsOf(line: CommandLine, ...words: string[]): Promise<string[]> {
  const outcome = await line.varve(["list", ...words, "--json"]);
  assert.is(outcome.exitCode, 0, outcome.stderr);
  return documentsOf(outcome).map(({ ref }) => ref);
}

test("--where and --meta ask for metadata", async ({ line }) => {
  await fill(line);
  const where = "metadata.accuracy >= 0.7 and tags.stage = 'dev'";
  assert.equal(await refsOf(line, "--where", where), ["m/good:1"]);
  assert.equal(await refsOf(line, "m/*", "--where", "not size > 300"), ["m/bad:0", "m/good:1"]);
  assert.equal(await refsOf(line, "--meta", "accuracy=0.5"), ["m/bad:0"]);
  assert.equal(await refsOf(line, "--meta", 'accuracy={"gte":0.5,"lt":0.9}', "--all-versions"), [
    "m/bad:0",
    "m/good:0",
  ]);
});

test("a mistake in --where is shown with its place, and exits with 2", async ({ line }) => {
  await fill(line);
  const where = "metadata.accuracy >= and tags.stage = 'dev'";
  const { exitCode, stdout, stderr } = await line.varve(["list", "--where", where]);
  assert.is(exitCode, 2);
  assert.is(stdout, "");
  const [message, text, caret, hint] = stderr.split("\n");
  assert.is(message, "varve: where: expected a value, found and");
  assert.is(text, `  ${where}`);
  assert.is(caret, `  ${" ".repeat(where.indexOf("and"))}^`);
  assert.match(hint!, /^hint: /);
  const outcome = await line.varve(["list", "--where", "\u001b[31m =", "--json"]);
  assert.is(errorOf(outcome).code, "INVALID_ARGUMENT");
});

test("times, sizes, media type, digest and user are filters", async ({ line }) => {
  await fill(line);
  assert.equal(await refsOf(line, "--since", "2026-11-04"), ["deep/er/x:0", "m/good:1"]);
  assert.equal(await refsOf(line, "--since", "2026-11-04 12:00:00.001"), ["deep/er/x:0"]);
  assert.equal(await refsOf(line, "--until", "2026-11-03T13:00+01:00"), ["data:0", "m/bad:0"]);
  assert.equal(await refsOf(line, "--until", "2026-11-03"), ["data:0"]);
  assert.equal(await refsOf(line, "--min-size", "5kB"), ["data:0"]);
  assert.equal(await refsOf(line, "--max-size", "200"), ["deep/er/x:0", "m/good:1"]);
  assert.equal(await refsOf(line, "--media-type", "text/csv"), []);
  assert.equal((await refsOf(line, "--media-type", "application/octet-stream")).length, 4);
  const [{ digest, createdBy }] = documentsOf(await line.varve(["list", "data", "--json"]));
  assert.equal(await refsOf(line, "--digest", digest.slice(0, 20)), ["data:0"]);
  assert.equal(await refsOf(line, "--created-by", `no-${createdBy}`), []);
  if (createdBy) assert.equal((await refsOf(line, "--created-by", createdBy)).length, 4);
});

test("--sort orders by time and size too, and --after goes on", async ({ line }) => {
  await fill(line);
  assert.equal(await refsOf(line, "--sort", "size"), ["deep/er/x:0", "m/good:1", "m/bad:0", "data:0"]);
  assert.equal(await refsOf(line, "--sort", "createdAt", "--reverse", "--limit", "2"), [
    "deep/er/x:0",
    "m/good:1",
  ]);
  assert.equal(await refsOf(line, "--sort", "createdAt", "--after", "m/bad:0"), ["m/good:1", "deep/er/x:0"]);
  assert.equal(await refsOf(line, "--sort", "name", "--limit", "1"), ["data:0"]);
});

test("--tree has a line a level, and the versions below their levels", async ({ line }) => {
  await fill(line);
  const { stdout } = await line.varve(["list", "--tree", "--all-versions"]);
  const time = (day: number) => `created on 2026-11-0${day} 12:00:00.000`;
  const lines = [
    `data:0 ${time(1)}`,
    "deep/",
    "  er/",
    `    x:0 ${time(5)}`,
    "m/",
    `  bad:0 ${time(3)}`,
    `  good:1 ${time(4)}`,
    `  good:0 ${time(2)}`,
  ];
  assert.is(stdout, `${lines.join("\n")}\n`);
  const reversed = await line.varve(["list", "--tree", "--reverse", "m/*"]);
  assert.is(reversed.stdout, `m/\n  good:1 ${time(4)}\n  bad:0 ${time(3)}\n`);
});

test("a tree leaves a level and comes back to its parent, also for a name that is a level too", async ({
  line,
}) => {
  for (const name of ["a", "a/b/c", "a/d", "a-b"]) await line.varve(["save", name, "--value", "1"]);
  const { stdout } = await line.varve(["list", "--tree"]);
  const shown = stdout.replace(/ created on .*/g, "");
  assert.is(shown, "a:0\na-b:0\na/\n  b/\n    c:0\n  d:0\n");
});

test("words that can't be read are usage errors", async ({ line }) => {
  await fill(line);
  for (const words of [
    ["--since", "yesterday"],
    ["--since", "2026-02-31"],
    ["--until", "2026-11-24T25:00"],
    ["--until", "2026-13-01"],
    ["--min-size", "many"],
    ["--max-size", "-1"],
    ["--sort", "age"],
    ["--digest", "xyz"],
    ["--meta", "accuracy"],
    ["--meta", "accuracy=x"],
    ["--meta", 'accuracy={"about":1}'],
    ["--tree", "--sort", "size"],
    ["--tree", "--json"],
  ]) {
    assert.is((await line.varve(["list", ...words])).exitCode, 2, words.join(" "));
  }
});

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { verbs } from "../../cli/verbs.ts";
import { CommandLine, documentsOf, errorOf } from "../helpers/command-line.ts";

const test = suite<{ line: CommandLine }>("the words of a command");

test.before.each(async (context) => {
  context.line = await CommandLine.inNewFolder();
});
test.after.each(({ line }) => line.remove());

test("--version and --help go to stdout, a missing verb is a usage error", async ({ line }) => {
  assert.match((await line.varve(["--version"])).stdout, /^\d+\.\d+\.\d+\n$/);
  const { stdout, exitCode } = await line.varve(["--help"]);
  assert.is(exitCode, 0);
  for (const name of Object.keys(verbs)) assert.match(stdout, new RegExp(`^ {2}${name} `, "m"));
  const missing = await line.varve([]);
  assert.is(missing.exitCode, 2);
  assert.is(missing.stdout, "");
  assert.is((await line.varve(["--bogus"])).exitCode, 2);
});

for (const name of Object.keys(verbs)) {
  test(`${name} --help shows its usage, its options and an example`, async ({ line }) => {
    const { stdout, stderr, exitCode } = await line.varve([name, "--help"]);
    assert.is(exitCode, 0);
    assert.is(stderr, "");
    assert.ok(stdout.startsWith(`varve ${name}`));
    assert.match(stdout, /Options:.*--json.*Examples:\n {2}varve /s);
  });

  test(`${name} refuses an unknown option and points to its help`, async ({ line }) => {
    const outcome = await line.varve([name, "a", "b", "--bogus", "--json"]);
    assert.is(outcome.exitCode, 2);
    assert.is(outcome.stdout, "");
    assert.is(errorOf(outcome).code, "INVALID_ARGUMENT");
    assert.match(errorOf(outcome).hint!, new RegExp(`varve ${name} --help`));
  });
}

test("an unknown verb is a usage error, also one that every object has", async ({ line }) => {
  for (const name of ["lst", "constructor", "__proto__", ""])
    assert.is((await line.varve([name])).exitCode, 2);
});

test("--home may stand before the verb and after it, and wins over VARVE_HOME", async ({ line }) => {
  const home = `${line.folder}/other`;
  await line.varve(["--home", home, "save", "a", "--value", "1"]);
  assert.is((await line.varve(["get", "a", "--home", home])).stdout, "1\n");
  assert.is((await line.varve([`--home=${home}`, "get", "a"])).stdout, "1\n");
  assert.is((await line.varve(["get", "a"])).exitCode, 3);
  for (const words of [["--home"], ["--home", ""], ["--home", home, "--home", home]]) {
    assert.is((await line.varve(["list", ...words])).exitCode, 2, words.join(" "));
  }
});

test("the nearest .varve folder above the current one is the home", async ({ line }) => {
  await line.varve(["save", "a", "--value", "1"]);
  const { stdout } = await line.varve(["get", "a"], { env: { VARVE_HOME: "" }, cwd: line.folder });
  assert.is(stdout, "1\n");
});

test("what follows -- is no option, and numbers stay texts", async ({ line }) => {
  await line.varve(["save", "--value", "1", "--", "-name"]);
  await line.varve(["save", "007", "--value", "-1"]);
  await line.varve(["save", "1e3", "--value", '"x"']);
  assert.is((await line.varve(["get", "--", "-name"])).stdout, "1\n");
  assert.is((await line.varve(["get", "007"])).stdout, "-1\n");
  assert.is((await line.varve(["get", "1e3"])).stdout, '"x"\n');
  assert.is((await line.varve(["get", "--", "--json"])).stderr.startsWith("varve: "), true);
});

test("an argument too few or too many is a usage error", async ({ line }) => {
  for (const words of [["get"], ["get", "a", "b"], ["alias", "a"], ["delete"], ["stats", "a"]]) {
    assert.is((await line.varve(words)).exitCode, 2, words.join(" "));
  }
});

test("tags may be called like what every object has", async ({ line }) => {
  const words = ["--tag", "__proto__=x", "constructor=y", "a.b=z", "--meta", "__proto__=1"];
  const [artifact] = documentsOf(await line.varve(["save", "a", "--value", "1", "--json", ...words]));
  assert.equal(Object.entries(artifact.tags).sort(), [
    ["__proto__", "x"],
    ["a.b", "z"],
    ["constructor", "y"],
  ]);
  assert.is((await line.varve(["list", "--tag", "__proto__=x"])).stdout.startsWith("a:0 "), true);
});

test("failures are red on a terminal only, and NO_COLOR and the options decide otherwise", async ({
  line,
}) => {
  const isRed = async (words: string[], env: Record<string, string>, isTerminal = true) => {
    const { stderr } = await line.varve(["list", ...words], { env, terminal: isTerminal ? ["stderr"] : [] });
    return stderr.includes("\u001b[31m");
  };
  assert.is(await isRed([], {}), true);
  assert.is(await isRed([], {}, false), false);
  assert.is(await isRed([], { NO_COLOR: "1" }), false);
  assert.is(await isRed([], { TERM: "dumb" }), false);
  assert.is(await isRed(["--no-color"], {}), false);
  assert.is(await isRed(["--color"], { NO_COLOR: "1" }, false), true);
});

test("Ctrl-C before the end exits with 130 and says nothing", async ({ line }) => {
  const interruption = new AbortController();
  interruption.abort();
  const outcome = await line.varve(["save", "a", "-"], { stdin: "x", signal: interruption.signal });
  assert.is(outcome.exitCode, 130);
  assert.is(outcome.stdout + outcome.stderr, "");
});

test.run();

import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CommandLine, documentsOf, errorOf } from "../helpers/command-line.ts";

const test = suite<{ line: CommandLine }>("varve init, verify, repair, stats and rebuild");

test.before.each(async (context) => {
  context.line = await CommandLine.inNewFolder();
});
test.after.each(({ line }) => line.remove());

test("init makes .varve in the folder, with its configuration file, for its owner only", async ({ line }) => {
  const outcome = await line.varve(["init"], { env: { VARVE_HOME: "" } });
  assert.is(outcome.stdout, `made a store in ${line.home}\n`);
  assert.is(readFileSync(join(line.home, "config.json"), "utf8"), "{}\n");
  assert.is(statSync(line.home).mode & 0o777, 0o700);
  assert.is((await line.varve(["list"])).exitCode, 0);
});

test("init takes a folder, --home or VARVE_HOME, and leaves a store that is there as it is", async ({
  line,
}) => {
  const other = join(line.folder, "other");
  await line.varve(["init", other]);
  assert.ok(existsSync(join(other, ".varve", "config.json")));
  const [named] = documentsOf(await line.varve(["--home", other, "init", "--json"]));
  assert.is(named.home, other);
  assert.is(named.created, true);
  await line.varve(["init"]);
  await line.varve(["save", "a", "--value", "1"]);
  await line.varve(["config", "set", "max_size", "5"]);
  const again = await line.varve(["init", "--json"]);
  assert.is(documentsOf(again)[0].created, false);
  assert.is((await line.varve(["get", "a"])).stdout, "1\n");
  assert.is((await line.varve(["config", "get", "max_size"])).stdout, "5\n");
  assert.is((await line.varve(["init", other, "--home", other])).exitCode, 2);
});

test("a reading verb never makes a store: it exits with 3 and hints at init", async ({ line }) => {
  const verbs = [
    "list",
    "get a",
    "show a",
    "history a",
    "code a",
    "diff a b",
    "lineage a",
    "verify",
    "repair",
    "stats",
    "rebuild",
    "undelete a:0",
  ];
  for (const words of [
    ...verbs,
    "alias a b",
    "annotate a --tag k=v",
    "delete a:0 --yes",
    "delete a:0 --dry-run",
  ]) {
    const outcome = await line.varve([...words.split(" "), "--json"]);
    assert.is(outcome.exitCode, 3, words);
    assert.is(outcome.stdout, "");
    assert.is(errorOf(outcome).code, "NOT_FOUND");
    assert.match(errorOf(outcome).hint!, /varve init/);
    assert.not(existsSync(line.home), words);
  }
});

test("nor where it is in other places: the hint is init, which makes it and says so", async ({ line }) => {
  for (const [index, configuration] of [
    { database_url: `sqlite:///${line.folder}/one.db` },
    { artifact_storage_dir: join(line.folder, "values") },
    {},
  ].entries()) {
    const home = join(line.folder, `home-${index}`);
    const varve = async (words: string) => line.varve(["--home", home, ...words.split(" "), "--json"]);
    mkdirSync(home);
    writeFileSync(join(home, "config.json"), JSON.stringify(configuration));
    for (const words of ["list", "delete a:0 --yes"]) {
      const outcome = await varve(words);
      assert.is(outcome.exitCode, 3, outcome.stderr);
      assert.match(errorOf(outcome).hint!, /varve init/);
      assert.not.match(errorOf(outcome).hint!, "readOnly");
    }
    assert.is(documentsOf(await varve("init"))[0].created, true);
    assert.is(documentsOf(await varve("init"))[0].created, false);
    assert.is((await varve("list")).exitCode, 0);
  }
});

test("verify is content with a sound store", async ({ line }) => {
  await line.varve(["save", "a", "--value", "1"]);
  const { stdout, exitCode } = await line.varve(["verify", "--full"]);
  assert.match(stdout, /^ok: read 1 segment, \d+ records, \d+ blobs, /);
  assert.is(exitCode, 0);
  const [report] = documentsOf(await line.varve(["verify", "--json"]));
  assert.is(report.ok, true);
  assert.equal(report.problems, []);
});

test("verify finds a changed byte, names it and exits with 5; get of that value too, others still load", async ({
  line,
}) => {
  await line.varve(["save", "good", "-"], { stdin: "good ".repeat(1_000) });
  await line.varve(["save", "damaged", "-"], { stdin: "needle in the haystack ".repeat(100) });
  await line.varve(["save", "later", "--value", "1"]);
  damage(line, "needle");
  const { stdout, exitCode } = await line.varve(["verify", "--full"]);
  assert.is(exitCode, 5);
  assert.match(stdout, /^\d+ problems?: /m);
  const verified = await line.varve(["verify", "--json"]);
  const [report] = documentsOf(verified);
  assert.is(verified.exitCode, 5);
  assert.is(report.ok, false);
  assert.ok(report.problems.length > 0);
  const damaged = await line.varve(["get", "damaged", "--json"]);
  assert.is(damaged.exitCode, 5);
  assert.is(errorOf(damaged).code, "CORRUPTION");
  assert.is((await line.varve(["get", "good"])).exitCode, 0);
});

test("verify stops when its time is over, and the command that it prints goes on to the end", async ({
  line,
}) => {
  for (let n = 0; n < 5; n++)
    await line.varve(["save", `n/${n}`, "--value", JSON.stringify("x".repeat(500) + n)]);
  damage(line, "xxx4");
  const whole = documentsOf(await line.varve(["verify", "--full", "--json"]))[0];
  let words = ["verify", "--full", "--time-budget", "0ms", "--home", line.home];
  const found: string[] = [];
  for (let parts = 1; ; parts++) {
    const { stdout, exitCode } = await line.varve(words);
    found.push(...stdout.split("\n").filter((text) => text.startsWith("record: ")));
    assert.is(exitCode, stdout.startsWith("record: ") ? 5 : 0);
    const next = /^go on with: varve (.*)$/m.exec(stdout)?.[1];
    if (next === undefined) {
      assert.ok(parts > 5, `${parts} parts`);
      break;
    }
    assert.match(stdout, /^(ok so far|1 problem): read /m);
    assert.match(
      stdout,
      /^time is over: done with (\d.* of \d.* of the log|the log, and \d+ rows? of the index)$/m,
    );
    words = next.replaceAll("'", "").split(" ");
    assert.equal(words.slice(0, 4), ["verify", "--full", "--time-budget", "0ms"]);
  }
  assert.is(whole.problems.length, 1);
  assert.ok(found.some((text) => text.endsWith(": n/4:0")) && found.length <= 2, found.join("\n"));
  const [part] = documentsOf(await line.varve(["verify", "--time-budget", "0ms", "--json"]));
  assert.is(part.complete, false);
  const after = ["verify", "--after", part.next, "--time-budget", "1h", "--json"];
  assert.is(documentsOf(await line.varve(after))[0].complete, true);
  for (const wrong of [
    ["--time-budget", "30"],
    ["--time-budget", "soon"],
    ["--after", "nonsense"],
  ])
    assert.is((await line.varve(["verify", ...wrong])).exitCode, 2, wrong.join(" "));
});

test("repair takes what is damaged from a backup, says what it did, and exits with 0", async ({ line }) => {
  await line.varve(["save", "a", "--value", JSON.stringify("needle ".repeat(100))]);
  const backup = join(line.folder, "backup");
  cpSync(line.home, backup, { recursive: true });
  damage(line, "needle");
  const foreseen = await line.varve(["repair", "--from", "backup", "--dry-run"]);
  assert.is(foreseen.exitCode, 0);
  assert.match(foreseen.stdout, /^would repair record: .* at offset \d+ of segment 1: a:0$/m);
  assert.match(foreseen.stdout, /^ok: 1 problem would be repaired$/m);
  assert.is((await line.varve(["get", "a"])).exitCode, 5, "nothing was done");
  const { stdout, exitCode } = await line.varve(["repair", "--from", "backup"]);
  assert.is(exitCode, 0);
  assert.match(
    stdout,
    /^repaired record: .*: a:0\nkept the damaged file as .*quarantine.*\nthe index was made again\nok: 1 problem repaired\n$/,
  );
  assert.match((await line.varve(["get", "a"])).stdout, "needle needle");
  assert.is((await line.varve(["verify", "--full"])).exitCode, 0);
  assert.is((await line.varve(["repair"])).stdout, "ok: nothing to repair\n");
});

test("repair exits with 5 when damage is left, and says of each why", async ({ line }) => {
  await line.varve(["save", "a", "--value", JSON.stringify("needle ".repeat(100))]);
  damage(line, "needle");
  const { stdout, exitCode } = await line.varve(["repair"]);
  assert.is(exitCode, 5);
  assert.match(
    stdout,
    /^left record: .*: a:0; its only sound copy .* none was given\n1 problem left, 0 problems repaired\n$/,
  );
  const [report] = documentsOf(await line.varve(["repair", "--json"]));
  assert.equal([report.ok, report.repaired, report.notRepaired[0].refs], [false, [], ["a:0"]]);
  for (const [from, expected] of [
    ["nowhere", 3],
    [line.home, 2],
    [line.folder, 3],
  ] as const)
    assert.is((await line.varve(["repair", "--from", from, "--json"])).exitCode, expected, from);
});

function damage({ home }: CommandLine, text: string): void {
  const folder = join(home, "log");
  for (const name of readdirSync(folder)) {
    const bytes = readFileSync(join(folder, name));
    const place = bytes.indexOf(text);
    if (place < 0) continue;
    bytes[place]! ^= 1;
    writeFileSync(join(folder, name), bytes);
    return;
  }
  throw new Error("the text is not in the log");
}

test("stats counts what is stored", async ({ line }) => {
  const size = 100_000;
  const save = () => line.varve(["save", "a", "-"], { stdin: Buffer.alloc(size) });
  await save();
  const [before] = documentsOf(await line.varve(["stats", "--json"]));
  await save();
  const [stats] = documentsOf(await line.varve(["stats", "--json"]));
  assert.is(stats.names, 1);
  assert.is(stats.versions, 2);
  assert.is(before.valueBytes, size);
  assert.is(stats.valueBytes, 2 * size);
  // The environment is a blob too, and another one once git has answered in time.
  assert.ok(stats.blobBytes - before.blobBytes < size, "an equal value is not stored again");
  assert.ok(stats.deduplicatedBytes >= size);
  const { stdout } = await line.varve(["stats"]);
  assert.match(stdout, /^names +1\nversions +2\n/);
  assert.match(stdout, / in 1 segment$/m);
});

test("rebuild makes the index again, and says so on stderr only", async ({ line }) => {
  await line.varve(["save", "a", "--value", "1"]);
  const { stdout, stderr, exitCode } = await line.varve(["rebuild"]);
  assert.is(stdout, "");
  assert.match(stderr, /index/);
  assert.is(exitCode, 0);
  assert.is((await line.varve(["get", "a"])).stdout, "1\n");
  assert.equal(documentsOf(await line.varve(["rebuild", "--json"])), [{ rebuilt: true }]);
});

test("a mistake in the configuration file stops every verb, and names file and item", async ({ line }) => {
  await line.varve(["init"]);
  const file = join(line.home, "config.json");
  writeFileSync(file, '{"max_sise": 1}');
  const unknown = await line.varve(["list", "--json"]);
  assert.is(unknown.exitCode, 1);
  assert.is(errorOf(unknown).code, "CONFIG");
  assert.ok(errorOf(unknown).message.includes(file));
  assert.match(errorOf(unknown).message, /max_sise/);
  appendFileSync(file, "{");
  assert.is(errorOf(await line.varve(["save", "a", "--value", "1", "--json"])).code, "CONFIG");
});

test.run();

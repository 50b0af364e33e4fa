import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openStore } from "../../engine/main.ts";
import { CommandLine, documentsOf, errorOf } from "../helpers/command-line.ts";

const test = suite<{ line: CommandLine }>("varve prune, compact and stats --by-name");

test.before.each(async (context) => {
  context.line = await CommandLine.inNewFolder();
  for (const value of ["1", "2", "3"]) await context.line.varve(["save", "iris/model", "--value", value]);
  await context.line.varve(["save", "runs/a", "--value", '"x"', "--tag", "stage=dev"]);
});
test.after.each(({ line }) => line.remove());

const TERMINAL = { terminal: ["stdin", "stderr"] as ("stdin" | "stderr")[] };

async function refsOf(line: CommandLine): Promise<string[]> {
  return documentsOf(await line.varve(["list", "--all-versions", "--json"])).map(({ ref }) => ref);
}

test("a dry run tells what would go and what that frees, and changes nothing", async ({ line }) => {
  const { exitCode, stdout } = await line.varve(["prune", "--keep-last", "1", "--dry-run"]);
  assert.is(exitCode, 0);
  const lines = stdout.trimEnd().split("\n");
  assert.match(lines[0]!, /^would delete iris\/model:0 created on \d{4}-\S+ \S+, 1 byte$/);
  assert.match(lines[1]!, /^would delete iris\/model:1 /);
  assert.match(lines[2]!, /^would delete 2 versions \(144 bytes\); the log would take \d+ bytes$|KiB$/);
  assert.is(lines.length, 3);
  assert.is((await refsOf(line)).length, 4);
});

test("without a terminal nothing is deleted unless --yes says so", async ({ line }) => {
  const refused = await line.varve(["prune", "--keep-last", "1", "--json"]);
  assert.is(refused.exitCode, 2);
  assert.match(errorOf(refused).hint!, "--yes");
  assert.is((await refsOf(line)).length, 4);
  const done = await line.varve(["prune", "--keep-last", "1", "--yes"]);
  assert.is(done.exitCode, 0);
  assert.match(done.stdout, /deleted iris\/model:0 .*\ndeleted iris\/model:1 /);
  assert.match(done.stdout, /deleted 2 versions \(144 bytes\): freed 144 bytes, the log takes/);
  assert.equal(await refsOf(line), ["iris/model:2", "runs/a:0"]);
  const gone = await line.varve(["undelete", "iris/model:0"]);
  assert.is(gone.exitCode, 3);
  const none = await line.varve(["prune", "--keep-last", "1"]);
  assert.is(none.exitCode, 0);
  assert.match(none.stderr, "nothing to delete");
  const [report] = documentsOf(await line.varve(["prune", "--keep-last", "1", "--json"]));
  assert.equal([report.dryRun, report.versions], [false, []]);
});

test("on a terminal it asks about what would go, and goes on with yes only", async ({ line }) => {
  const no = await line.varve(["prune", "--keep-last", "2"], { ...TERMINAL, stdin: "n\n" });
  assert.is(no.exitCode, 1);
  assert.match(no.stderr, /iris\/model:0 created on[\s\S]*can't be brought back[\s\S]*Delete 1 version/);
  assert.is((await refsOf(line)).length, 4);
  const yes = await line.varve(["prune", "--keep-last", "2"], { ...TERMINAL, stdin: "y\n" });
  assert.is(yes.exitCode, 0);
  assert.is((await refsOf(line)).length, 3);
});

test("all rules of the library can be given", async ({ line }) => {
  await line.varve(["alias", "iris/model:0", "live"]);
  const prune = async (...words: string[]) => {
    const [report] = documentsOf(await line.varve(["prune", ...words, "--dry-run", "--json"]));
    return report.versions.map(({ ref }: { ref: string }) => ref);
  };
  assert.equal(await prune("iris/*", "--keep-last", "1"), ["iris/model:1"]);
  assert.equal(await prune("--tag", "stage=dev"), ["runs/a:0"]);
  assert.equal(await prune("--older-than", "1h"), []);
  assert.equal(await prune("--older-than", "0s", "--keep-tag", "stage=dev"), [
    "iris/model:1",
    "iris/model:2",
  ]);
  assert.equal(await prune("--older-than", "2100-01-01", "--keep-name", "runs/*"), [
    "iris/model:1",
    "iris/model:2",
  ]);
  assert.equal(await prune("--max-size", "10GB"), []);
  const [report] = documentsOf(await line.varve(["prune", "--keep-last", "0", "--dry-run", "--json"]));
  assert.equal(report.protected, ["iris/model:0"]);
  await line.varve(["delete", "iris/model:1", "iris/model:2", "--yes"]);
  const kept = await line.varve(["prune", "iris/**", "--keep-last", "0", "--no-compact", "--dry-run"]);
  assert.is(kept.stdout, "would keep iris/model:0: protected\n");
});

test("mistakes exit with 2, and so does what would leave nothing, unless forced", async ({ line }) => {
  const wrong = [
    [],
    ["--keep-last", "x"],
    ["--older-than", "yesterday"],
    ["--older-than", "2026-13-01"],
    ["--max-size", "much"],
    ["--keep-last", "0"],
    ["--max-size", "1"],
  ];
  for (const words of wrong) {
    const outcome = await line.varve(["prune", ...words, "--yes", "--json"]);
    assert.is(outcome.exitCode, 2, words.join(" "));
    assert.ok(errorOf(outcome).message);
  }
  assert.is((await refsOf(line)).length, 4);
  assert.is((await line.varve(["prune", "--keep-last", "0", "--yes", "--force"])).exitCode, 0);
  assert.is((await refsOf(line)).length, 0);
});

test("--no-compact leaves the bytes, so that undelete helps, and compact frees them", async ({ line }) => {
  const foreseen = await line.varve(["prune", "--keep-last", "1", "--no-compact", "--dry-run"]);
  assert.match(foreseen.stdout, /\nwould delete 2 versions \(144 bytes\), to be freed by a later compact\n$/);
  await line.varve(["prune", "--keep-last", "1", "--yes", "--no-compact"]);
  // What is dead already is no matter of one that does not compact.
  assert.match((await line.varve(["prune", "--keep-last", "1", "--no-compact"])).stderr, "nothing to delete");
  assert.is((await line.varve(["undelete", "iris/model:0"])).exitCode, 0);
  const plan = await line.varve(["compact", "--dry-run"]);
  assert.match(plan.stdout, /^would free 1 blob, 72 bytes, of 1 segment; log /);
  assert.is((await line.varve(["compact"])).exitCode, 2);
  const no = await line.varve(["compact"], { ...TERMINAL, stdin: "\n" });
  assert.is(no.exitCode, 1);
  const [report] = documentsOf(await line.varve(["compact", "--yes", "--json"]));
  assert.equal([report.dryRun, report.blobs, report.freedBytes], [false, 1, 72]);
  assert.match((await line.varve(["compact"])).stderr, "nothing to free");
  assert.is((await line.varve(["undelete", "iris/model:1"])).exitCode, 3);
  assert.is((await line.varve(["verify", "--full"])).exitCode, 0);
});

test("old files that an earlier compaction has left go with the next one, also where nothing else is dead", async ({
  line,
}) => {
  await line.varve(["delete", "iris/model:1", "--yes"]);
  const old = join(line.home, "log", "0000000001.varve");
  copyFileSync(old, join(line.folder, "old"));
  await line.varve(["compact", "--yes"]);
  assert.not(existsSync(old));
  copyFileSync(join(line.folder, "old"), old);
  const plan = await line.varve(["compact", "--dry-run"]);
  assert.match(plan.stdout, /^would remove [\d.]+ KiB of old files, once nobody reads them\n$/);
  assert.ok(existsSync(old));
  const asked = await line.varve(["compact"], { ...TERMINAL, stdin: "n\n" });
  // The line of the progress is cleared first.
  assert.ok(asked.stderr.startsWith("\r\u001b[2KRemove "));
  assert.match(asked.stderr, /Remove [\d.]+ KiB of old files\? \[y\/N\]/);
  const done = await line.varve(["compact", "--yes"]);
  assert.match(done.stdout, /^removed [\d.]+ KiB of old files\n$/);
  assert.not(existsSync(old));
  assert.match((await line.varve(["compact"])).stderr, "nothing to free");
  assert.is((await line.varve(["verify", "--full"])).exitCode, 0);
});

test("old files that are still read stay, and that is said", async ({ line }) => {
  await line.varve(["delete", "iris/model:1", "--yes"]);
  const store = await openStore({ home: line.home, environment: false });
  try {
    const list = store.list({ allVersions: true })[Symbol.asyncIterator]();
    await list.next();
    const { stdout } = await line.varve(["compact", "--yes"]);
    assert.match(stdout, /\n[\d.]+ KiB of old files are still read: compact again to remove them\n$/);
    await list.return!();
  } finally {
    await store.close();
  }
  assert.match((await line.varve(["compact", "--yes"])).stdout, /^removed /);
});

test("what damage keeps compact from is told, also where nothing else is to be done", async ({ line }) => {
  await line.varve(["alias", "iris/model:0", "a"]);
  await line.varve(["alias", "iris/model:1", "a"]);
  const segment = join(line.home, "log", "0000000001.varve");
  const bytes = readFileSync(segment);
  bytes[bytes.indexOf("VBAT") + 4]! ^= 1;
  writeFileSync(segment, bytes);
  const words = ["compact", "--history-before", "6", "--yes"];
  assert.is(documentsOf(await line.varve([...words, "--json"]))[0].segments, 0);
  const { exitCode, stdout } = await line.varve(words);
  assert.is(exitCode, 5);
  assert.match(stdout, /^skipped /);
});

test("compact forgets history up to an operation or a time", async ({ line }) => {
  await line.varve(["delete", "iris/model:1", "--yes"]);
  const [{ sequence }] = documentsOf(await line.varve(["stats", "--json"]));
  const [report] = documentsOf(
    await line.varve(["compact", "--history-before", String(sequence), "--yes", "--json"]),
  );
  assert.ok(report.records > 0);
  const deleted = documentsOf(await line.varve(["list", "--deleted", "--json"]));
  assert.equal(deleted, []);
  for (const words of [
    ["--dead-share", "2"],
    ["--dead-share", "x"],
    ["--history-before", "soon"],
  ])
    assert.is((await line.varve(["compact", ...words, "--yes"])).exitCode, 2, words.join(" "));
});

test("stats tells what compact would free, and by name what deleting each would free", async ({ line }) => {
  await line.varve(["delete", "iris/model:1", "--yes"]);
  const plain = await line.varve(["stats"]);
  assert.match(plain.stdout, /deleted versions +1 that can be brought back\n/);
  assert.match(plain.stdout, /dead blobs +72 bytes, which `varve compact` frees\n/);
  const { stdout } = await line.varve(["stats", "--by-name"]);
  const rows = stdout
    .trimEnd()
    .split("\n")
    .map((row) => row.trim().split(/ {2,}/));
  assert.equal(rows, [
    ["to be freed", "values", "versions", "deleted", "name"],
    ["144 bytes", "2 bytes", "2", "1", "iris/model"],
    ["72 bytes", "2 bytes", "1", "0", "runs/a"],
  ]);
  const [document] = documentsOf(await line.varve(["stats", "--by-name", "--json"]));
  assert.equal(document.byName[0], {
    name: "iris/model",
    versions: 2,
    deletedVersions: 1,
    valueBytes: 2,
    ownBytes: 144,
  });
});

test.run();

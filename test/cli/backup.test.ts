import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CommandLine, documentsOf, errorOf } from "../helpers/command-line.ts";

const test = suite<{ line: CommandLine }>("varve backup");

test.before.each(async (context) => {
  context.line = await CommandLine.inNewFolder();
});
test.after.each(({ line }) => line.remove());

test("it says what it copied, and the folder is a store to read and to repair from", async ({ line }) => {
  await line.varve(["save", "a", "--value", '"needle in the haystack"']);
  const first = await line.varve(["backup", "backup"]);
  assert.is(first.exitCode, 0);
  const folder = join(line.folder, "backup");
  const [what, how] = first.stdout.trimEnd().split("\n");
  assert.match(
    what!,
    new RegExp(`^backed up to ${folder}: [\\d.]+ (?:bytes|KiB) in 1 segment, up to operation 1$`),
  );
  assert.match(how!, /^[\d.]+ (?:bytes|KiB) copied$/);
  assert.is((await line.varve(["get", "a", "--home", "backup"])).stdout, '"needle in the haystack"\n');
  const again = await line.varve(["backup", "backup", "--verify"]);
  assert.match(again.stdout, /^0 bytes copied, 1 segment there already$/m);
  assert.match(again.stdout, /^ok: read all of it$/m);
  const segment = join(line.home, "log", readdirSync(join(line.home, "log"))[0]!);
  damage(segment);
  assert.is((await line.varve(["get", "a"])).exitCode, 5);
  assert.is((await line.varve(["repair", "--from", "backup"])).exitCode, 0);
  assert.is((await line.varve(["get", "a"])).stdout, '"needle in the haystack"\n');
});

test("--dry-run only tells, --json gives the report, --copy shares nothing", async ({ line }) => {
  await line.varve(["save", "a", "--value", "1"]);
  const foreseen = await line.varve(["backup", "backup", "--dry-run"]);
  assert.match(foreseen.stdout, /^would back up to .*\n[\d.]+ (?:bytes|KiB) to copy\n$/);
  assert.not(existsSync(join(line.folder, "backup")));
  const [report] = documentsOf(await line.varve(["backup", "backup", "--copy", "--json"]));
  const { folder, dryRun, sequence, segments, unchanged, linkedBytes, problems } = report;
  assert.equal(
    { folder, dryRun, sequence, segments, unchanged, linkedBytes, problems },
    {
      ...{ folder: join(line.folder, "backup"), dryRun: false, sequence: 1, segments: 1 },
      ...{ unchanged: 0, linkedBytes: 0, problems: [] },
    },
  );
  assert.is(report.copiedBytes, report.bytes);
});

test("damage that --verify finds is told, with exit code 5", async ({ line }) => {
  await line.varve(["save", "a", "--value", '"needle in the haystack"']);
  for (const name of ["b", "c"]) await line.varve(["save", name, "--value", "1"]);
  await line.varve(["backup", "backup"]);
  damage(join(line.folder, "backup", "log", "0000000001.varve"));
  assert.is((await line.varve(["backup", "backup"])).exitCode, 0);
  const { exitCode, stdout } = await line.varve(["backup", "backup", "--verify"]);
  assert.is(exitCode, 5);
  assert.match(stdout, /^record: damaged payload/m);
  assert.match(stdout, /^1 problem in the backup$/m);
});

test("what can't be backed up to is refused with a hint, and a missing store is not made", async ({
  line,
}) => {
  const missing = await line.varve(["backup", "backup", "--json"]);
  assert.equal([missing.exitCode, errorOf(missing).code], [3, "NOT_FOUND"]);
  assert.not(existsSync(line.home));
  await line.varve(["save", "a", "--value", "1"]);
  await line.varve(["save", "a", "--value", "1", "--home", "other"]);
  writeFileSync(join(line.folder, "file"), "");
  const refused: [string[], number][] = [
    [["backup"], 2],
    [["backup", ""], 2],
    [["backup", "."], 2],
    [["backup", "file"], 2],
    [["backup", ".varve/backup"], 2],
    [["backup", "other"], 4],
  ];
  for (const [words, exitCode] of refused) {
    const outcome = await line.varve([...words, "--json"]);
    assert.is(outcome.exitCode, exitCode, words.join(" "));
    assert.ok(errorOf(outcome).hint, words.join(" "));
  }
});

function damage(file: string): void {
  const bytes = readFileSync(file);
  bytes[bytes.indexOf("needle") + 2]! ^= 0xff;
  writeFileSync(file, bytes);
}

test.run();

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openStore } from "../../engine/main.ts";
import { CommandLine, documentsOf, errorOf } from "../helpers/command-line.ts";

const test = suite<{ line: CommandLine }>("varve alias, annotate, delete and undelete");

test.before.each(async (context) => {
  context.line = await CommandLine.inNewFolder();
  for (const value of ["10", "11", "12"]) await context.line.varve(["save", "n", "--value", value]);
});
test.after.each(({ line }) => line.remove());

async function remaining(line: CommandLine): Promise<string[]> {
  return documentsOf(await line.varve(["list", "--all-versions", "--reverse", "--json"])).map(
    ({ ref }) => ref,
  );
}

test("alias points to a version, moves, and is removed", async ({ line }) => {
  assert.is((await line.varve(["alias", "n:0", "prod"])).stdout, "n@prod -> n:0\n");
  assert.equal(documentsOf(await line.varve(["alias", "n", "prod", "--json"])), [
    { name: "n", alias: "prod", version: 2, ref: "n:2" },
  ]);
  assert.is((await line.varve(["get", "n@prod"])).stdout, "12\n");
  assert.is((await line.varve(["alias", "n", "prod", "--delete"])).stdout, "removed n@prod\n");
  assert.is((await line.varve(["get", "n@prod"])).exitCode, 3);
  assert.is((await line.varve(["alias", "n", "prod", "--delete"])).exitCode, 3);
});

test("an alias that is none exits with 2, a version that is not there with 3", async ({ line }) => {
  assert.is((await line.varve(["alias", "n", "latest"])).exitCode, 2);
  assert.is((await line.varve(["alias", "n:7", "prod"])).exitCode, 3);
});

test("annotate sets and removes tags and metadata, and keeps the others", async ({ line }) => {
  await line.varve(["annotate", "n:1", "--tag", "a=1", "b=2", "--meta", "m=[1]", "k=true"]);
  const [changed] = documentsOf(
    await line.varve(["annotate", "n:1", "--delete", "a", "k", "--tag", "c=3", "--json"]),
  );
  assert.equal(changed.tags, { b: "2", c: "3" });
  assert.equal(changed.metadata, { m: [1] });
  assert.is((await line.varve(["annotate", "n:1", "--meta", "m=null"])).stdout, "n:1\n");
  assert.equal(documentsOf(await line.varve(["show", "n:1", "--json"]))[0].metadata, {});
});

test("annotate refuses nothing, a contradiction, and a key that is not there", async ({ line }) => {
  assert.is((await line.varve(["annotate", "n"])).exitCode, 2);
  assert.is((await line.varve(["annotate", "n", "--tag", "a=1", "--delete", "a"])).exitCode, 2);
  assert.is((await line.varve(["annotate", "n", "--delete", "typo"])).exitCode, 3);
});

test("without a terminal delete does nothing unless --yes is given", async ({ line }) => {
  const refused = await line.varve(["delete", "n:0"]);
  assert.is(refused.exitCode, 2);
  assert.match(refused.stderr, /--yes/);
  assert.is(refused.stdout, "");
  assert.equal(await remaining(line), ["n:0", "n:1", "n:2"]);
  assert.is((await line.varve(["delete", "n:0", "--yes"])).stdout, "deleted n:0\n");
  assert.equal(await remaining(line), ["n:1", "n:2"]);
});

test("on a terminal delete asks, and does it only after yes", async ({ line }) => {
  const terminal: ("stdin" | "stderr")[] = ["stdin", "stderr"];
  for (const answer of ["n\n", "\n", "", "nay\n"]) {
    const { exitCode, stderr, stdout } = await line.varve(["delete", "n:0"], { stdin: answer, terminal });
    assert.is(exitCode, 1);
    assert.is(stdout, "");
    assert.match(stderr, /n:0\nDelete this version\? \[y\/N\] /);
  }
  assert.is((await remaining(line)).length, 3);
  const { exitCode, stdout } = await line.varve(["delete", "n:0"], { stdin: "y\n", terminal });
  assert.is(exitCode, 0);
  assert.is(stdout, "deleted n:0\n");
});

test("delete --dry-run tells what would go and deletes nothing", async ({ line }) => {
  assert.is(
    (await line.varve(["delete", "n:0", "n:1", "--dry-run"])).stdout,
    "would delete n:0\nwould delete n:1\n",
  );
  const [document] = documentsOf(await line.varve(["delete", "n:all", "--dry-run", "--json"]));
  assert.equal(document, { deleted: ["n:0", "n:1", "n:2"], aliases: [], dryRun: true });
  assert.is((await remaining(line)).length, 3);
});

test("delete takes several refs, :all and :latest, and deletes nothing if one is not there", async ({
  line,
}) => {
  assert.is((await line.varve(["delete", "n:0", "n:7", "--yes"])).exitCode, 3);
  assert.is((await line.varve(["delete", "n:0", "none:all", "--yes"])).exitCode, 3);
  assert.is((await remaining(line)).length, 3);
  const [document] = documentsOf(await line.varve(["delete", "n:latest", "n:2", "n:0", "--yes", "--json"]));
  assert.equal(document, { deleted: ["n:2", "n:0"], aliases: [], dryRun: false });
  await line.varve(["delete", "n:all", "--yes"]);
  assert.equal(await remaining(line), []);
});

test("delete wants an explicit version", async ({ line }) => {
  const refused = await line.varve(["delete", "n", "--yes", "--json"]);
  assert.is(refused.exitCode, 2);
  assert.match(errorOf(refused).hint!, /n:latest/);
});

test("a version with an alias is kept unless --aliases is given, and undelete brings both back", async ({
  line,
}) => {
  await line.varve(["alias", "n:1", "prod"]);
  const refused = await line.varve(["delete", "n:1", "--yes", "--json"]);
  assert.is(refused.exitCode, 4);
  assert.is((await line.varve(["delete", "n:all", "--dry-run"])).exitCode, 4);
  assert.is(errorOf(refused).code, "CONFLICT");
  const [document] = documentsOf(await line.varve(["delete", "n@prod", "--yes", "--aliases", "--json"]));
  assert.equal(document, { deleted: ["n:1"], aliases: ["n@prod"], dryRun: false });
  assert.is((await line.varve(["get", "n:1"])).exitCode, 3);
  assert.is((await line.varve(["undelete", "n:1"])).stdout, "n:1\n");
  assert.is((await line.varve(["get", "n@prod"])).stdout, "11\n");
});

test("a delete that fails after a part of many exits with 6, and tells what was deleted", async ({
  line,
}) => {
  const store = await openStore({ home: line.home });
  await store.batch((batch) => {
    for (let version = 0; version < 10_001; version++) batch.save("many", version);
  });
  // An alias comes between the plan and the answer: the last version may not go any more.
  async function* answer() {
    await store.setAlias("many", "prod", 10_000);
    await store.close();
    yield "y\n";
  }
  const words = ["delete", "many:all", "--json"];
  const outcome = await line.varve(words, { stdin: answer(), terminal: ["stdin", "stderr"] });
  assert.is(outcome.exitCode, 6);
  assert.is(documentsOf(outcome)[0].deleted.length, 10_000);
  assert.match(outcome.stderr, /"code":"CONFLICT"/);
  assert.is((await line.varve(["list", "many", "--all-versions"])).stdout.split("\n").length, 2);
});

test("undelete --json gives the artifact, and exits with 3 or 4 for what was not deleted", async ({
  line,
}) => {
  await line.varve(["delete", "n:1", "--yes"]);
  const [artifact] = documentsOf(await line.varve(["undelete", "n:1", "--json"]));
  assert.is(artifact.ref, "n:1");
  assert.is(artifact.deleted, false);
  assert.is((await line.varve(["undelete", "n:9"])).exitCode, 3);
});

test.run();

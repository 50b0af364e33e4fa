import { suite } from "uvu";
import * as assert from "uvu/assert";
import "../helpers/whole-suites.ts";
import type { VarveError } from "../../engine/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, openTestStore } from "../helpers/stores.ts";
import { killPlainProcesses } from "./plain-programs.ts";
import { runSpace } from "./space.ts";
import type { Call, Findings, Given, Operation, Result } from "./space-events.ts";
import type { SpaceHistory } from "./space-history.ts";
import { checkSpaceHistory } from "./space-history.ts";
import { treeKey } from "./values.ts";

const test = suite("space, in random histories");
test.after.each(killPlainProcesses);
test.after.each(closeAll);

/** At most so many, and as many as there is time for. */
const HISTORIES = Number(process.env.VARVE_SPACE_HISTORIES ?? 40);
const MILLISECONDS = Number(process.env.VARVE_SPACE_SECONDS ?? 10) * 1000;

test("nothing that an alias, a version, an open reader or a save in flight needs ever goes", async () => {
  const { seed } = new Random("space");
  const { counts, violations } = await runSpace({
    seed,
    histories: HISTORIES,
    until: Date.now() + MILLISECONDS,
  });
  assert.equal(violations, [], `seed ${seed}`);
  assert.ok(counts.histories > 0 && counts.loads > 0);
  console.log(`space: ${JSON.stringify(counts)}`);
});

// Cases that were found

test("a number is not given again where the first versions of a name were forgotten", async () => {
  const home = newFolder();
  const first = await openTestStore(home);
  for (let i = 0; i < 4; i++) await first.save("a", i);
  for (const version of [0, 1]) await first.delete(`a:${version}`);
  await first.compact({ historyBefore: new Date(Date.now() + 86_400_000) });
  await first.close();
  // One that does not remember the name.
  const store = await openTestStore(home);
  assert.is((await store.save("a", 4)).version, 4);
  await store.rebuildIndex();
  assert.is((await store.save("a", 5)).version, 5);
});

test("a deleted version is listed when its code was compacted away, and can't be brought back", async () => {
  const store = await openTestStore(newFolder());
  await store.save("a", "value", { code: `// ${"long ".repeat(500)}`, tags: { kept: "yes" } });
  await store.delete("a:0");
  await store.compact();
  const listed = [];
  for await (const artifact of store.list({ deleted: true })) listed.push(artifact);
  assert.equal(
    listed.map(({ ref, code, tags }) => [ref, code, tags]),
    [["a:0", undefined, { kept: "yes" }]],
  );
  const error = await store.undelete("a:0").catch((error: VarveError) => error);
  assert.is((error as VarveError).code, "NOT_FOUND");
});

// The checker itself: histories with a fault in each

let time = 0;

function operation(who: string, call: Call, result: Result = {}): Operation {
  time += 10;
  return { who, call, from: time, to: time + 5, result };
}

const version = (name: string, number: number) => ({ name, version: number });
const saveOf = (name: string, id: string, value: string) => ({ call: "save", name, id, value }) as const;
const saved = (number: number, sequence: number): Result => ({ saved: [{ version: number, sequence }] });
const given = (name: string, number: number, id: string, value: string, aliases: string[] = []): Given => ({
  ...version(name, number),
  id,
  value,
  aliases,
});

/** Two versions, of which the older one is deleted and compacted away, and the newer one has an alias. */
function goodHistory(): SpaceHistory {
  time = 0;
  const older = given("n", 0, "one", "5.one");
  const newer = given("n", 1, "two", "6.two", ["a"]);
  const operations = [
    operation("p", saveOf("n", "one", "5.one"), saved(0, 1)),
    operation("p", saveOf("n", "two", "6.two"), saved(1, 2)),
    operation("p", { call: "setAlias", name: "n", alias: "a", version: 1 }),
    operation("q", { call: "list" }, { given: [newer, older], began: time + 12 }),
    operation("p", { call: "delete", ...version("n", 0), aliases: false }, { deleted: ["n:0"] }),
    operation("q", { call: "undelete", ...version("n", 0) }),
    operation("q", { call: "load", ...version("n", 0) }, { given: [older] }),
    operation(
      "p",
      { call: "prune", policy: { keepLast: 1 }, dryRun: false, compact: false },
      { deleted: ["n:0"] },
    ),
    operation("p", { call: "compact" }),
    operation("q", { call: "undelete", ...version("n", 0) }, notFound()),
    operation("q", { call: "loadAlias", name: "n", alias: "a" }, { given: [newer] }),
    operation("q", { call: "backup", folder: "b" }),
  ];
  const contents = { live: [newer], deleted: ["n:0"] };
  const findings: Findings = {
    from: time + 100,
    contents,
    undeletes: [],
    backups: [{ folder: "b", contents }],
    violations: [],
  };
  return { operations, findings, callMicrosecondsMax: 50, longStops: false };
}

function notFound(): Result {
  return { error: { code: "NOT_FOUND", message: "gone" } };
}

const callOf = ({ operations }: SpaceHistory, what: string, nth = 0): Operation =>
  operations.filter(({ call }) => call.call === what)[nth]!;

const FAULTS: [string, RegExp, (history: SpaceHistory) => void][] = [
  ["a live version is gone", /^lost: n:1/, ({ findings }) => void findings.contents.live.pop()],
  [
    "a deleted version is there",
    /^deleted: n:0/,
    ({ findings }) => void findings.contents.live.push(given("n", 0, "one", "5.one")),
  ],
  [
    "a live version can't be loaded",
    /^lost: load/,
    (history) => Object.assign(callOf(history, "load"), { result: notFound() }),
  ],
  [
    "a live version has another value",
    /^wrong/,
    (history) => Object.assign(callOf(history, "load").result!.given![0]!, { value: "6.two" }),
  ],
  [
    "a value is damaged",
    /^lost: n:1/,
    (history) =>
      Object.assign(callOf(history, "list").result!.given![0]!, { value: { wrong: "CORRUPTION" } }),
  ],
  ["a list lacks a version", /^lost: n:0/, (history) => void callOf(history, "list").result!.given!.pop()],
  [
    "a deleted version can't be brought back before any compaction",
    /^lost: q can't undelete/,
    (history) => Object.assign(callOf(history, "undelete"), { result: notFound() }),
  ],
  [
    "an undelete is refused since a compaction went before the deletion",
    /^lost: q can't undelete/,
    (history) => {
      const { operations } = history;
      const compaction = callOf(history, "compact");
      Object.assign(compaction, { from: 1, to: 2 });
      operations.sort((a, b) => a.from - b.from);
    },
  ],
  [
    "what an alias names is gone",
    /^lost: n@a/,
    (history) => Object.assign(callOf(history, "loadAlias"), { result: notFound() }),
  ],
  [
    "an alias is gone in the end",
    /^lost: n@a/,
    ({ findings }) => Object.assign(findings.contents.live[0]!, { aliases: [] }),
  ],
  [
    "a prune takes what has an alias",
    /^pruned: n:1/,
    (history) => callOf(history, "prune").result!.deleted!.push("n:1"),
  ],
  [
    "a prune takes one of the last",
    /^pruned: n:0/,
    (history) => Object.assign((callOf(history, "prune").call as { policy: object }).policy, { keepLast: 2 }),
  ],
  [
    "a number is given twice",
    /^duplicate: n:0/,
    (history) => Object.assign(callOf(history, "save", 1), { result: saved(0, 2) }),
  ],
  [
    "a number is missing",
    /^lost: n:1 is there, and n:0 is not/,
    ({ findings }) => void findings.contents.deleted.pop(),
  ],
  [
    "a backup lacks a version",
    /^lost: n:1 .* is not in the backup/,
    ({ findings }) => Object.assign(findings.backups[0]!, { contents: { live: [], deleted: [] } }),
  ],
  [
    "a backup can't be read",
    /^lost: the backup/,
    ({ findings }) => Object.assign(findings.backups[0]!, { contents: undefined, failed: "CORRUPTION" }),
  ],
  [
    "what a reader holds is gone",
    /^lost: q holds n:1/,
    (history) =>
      void history.operations.push(
        operation("q", { call: "held", ...version("n", 1), since: 1 }, notFound()),
      ),
  ],
  [
    "a call fails",
    /^failed/,
    (history) =>
      Object.assign(callOf(history, "compact"), { result: { error: { code: "IO", message: "" } } }),
  ],
  ["a call hangs", /took/, (history) => Object.assign(callOf(history, "backup"), { to: 1e6 })],
  [
    "the store warns",
    /^warned/,
    ({ operations }) => void operations.push(operation("p", { call: "warned", message: "counts" })),
  ],
];

test("a history in which all is well has nothing to be said of it", () => {
  assert.equal(checkSpaceHistory(goodHistory()), []);
});

for (const [what, expected, put] of FAULTS) {
  test(`of a history it is noticed that ${what}`, () => {
    const history = goodHistory();
    put(history);
    const told = checkSpaceHistory(history);
    assert.ok(
      told.some((line) => expected.test(line)),
      told.join("\n") || "nothing was told",
    );
  });
}

/** The second version has the value of the first, which is deleted, compacted away, and can't be brought back. */
function toldOfShared(value: string): string[] {
  const history = goodHistory();
  for (const i of [0, 1]) Object.assign(callOf(history, "save", i).call, { value });
  for (const { result } of history.operations) for (const each of result?.given ?? []) each.value = value;
  history.findings.contents.live[0]!.value = value;
  return checkSpaceHistory(history);
}

test("a shared value is needed as long as one version has it", () => {
  const told = toldOfShared("5.one");
  assert.ok(
    told.some((line) => /^lost: q can't undelete n:0/.test(line)),
    told.join("\n"),
  );
});

test("the stamps of a directory are its own, though another version has the same files", () => {
  assert.equal(toldOfShared(treeKey("one")), []);
});

test.run();

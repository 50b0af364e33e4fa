import { suite } from "uvu";
import * as assert from "uvu/assert";
import { newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, openTestStore } from "../helpers/stores.ts";
import { ManyRound, ManyTally } from "./many.ts";
import type { FoundVersion, History, HistoryEvent } from "./many-history.ts";
import { checkHistory } from "./many-history.ts";
import { killPlainProcesses } from "./plain-programs.ts";

const test = suite("many processes at once");
test.after.each(killPlainProcesses);
test.after.each(closeAll);

const MILLISECONDS = 2_000;

for (const treatment of ["opened all the time", "stops and kills"] as const) {
  test(`readers and writers with clocks that jump see one history: ${treatment}`, async () => {
    const { seed } = new Random(`many, ${treatment}`);
    const tally = new ManyTally();
    await new ManyRound({ seed, treatment, processes: 6, milliseconds: MILLISECONDS }, tally).run();
    assert.equal(tally.violations, [], `seed ${seed}`);
    assert.ok(tally.counts.saves > 0);
    assert.ok(tally.counts.loads > 0);
  });
}

test("times never go back and numbers go on, whatever the clocks of several handles say", async () => {
  const home = newFolder();
  const now = Date.now();
  const days = [0, 20_000, -9_000, 1, -1, 40_000, 0];
  let time = 0;
  for (const [version, day] of days.entries()) {
    const store = await openTestStore(home, { clock: () => new Date(now + day * 86_400_000) });
    const saved = await store.save("x", version);
    assert.is(saved.version, version);
    assert.ok(saved.createdAt.getTime() >= time);
    time = saved.createdAt.getTime();
    await store.close();
  }
  const store = await openTestStore(home);
  const versions = [];
  for await (const artifact of store.versions("x")) versions.push(await artifact.value());
  assert.equal(versions, [0, 1, 2, 3, 4, 5, 6]);
  await store.rebuildIndex();
  assert.is((await store.get("x")).createdAt.getTime(), time);
});

/** Two saves one after the other and a load behind both, as they should be. */
function goodHistory(): History {
  const call = (id: string, from: number): HistoryEvent => ({ what: "calls", who: "a", name: "n", id, from });
  const save = (id: string, from: number, to: number, version: number): HistoryEvent => {
    return { what: "saved", who: "a", name: "n", id, from, to, version, sequence: version + 1 };
  };
  const found = (id: string, version: number): FoundVersion => {
    return { name: "n", id, version, sequence: version + 1, time: 5 };
  };
  return {
    events: [
      call("one", 0),
      save("one", 0, 10, 0),
      call("two", 20),
      save("two", 20, 30, 1),
      { what: "loaded", who: "b", name: "n", id: "two", from: 40, to: 50 },
    ],
    found: [found("one", 0), found("two", 1)],
    stops: [],
    callMicrosecondsMax: 100,
  };
}

const FAULTS: [string, RegExp, (history: History) => void][] = [
  ["a version that was acknowledged is missing", /^lost/, ({ found }) => void found.pop()],
  ["a version is another one's", /^wrong/, ({ found }) => void Object.assign(found[1]!, { id: "else" })],
  [
    "a number was given twice",
    /^duplicate/,
    ({ events }) => void events.push({ ...events[1]!, id: "two" } as never),
  ],
  [
    "a value is there twice",
    /^duplicate/,
    ({ found }) => void found.push({ ...found[1]!, version: 2, sequence: 3 }),
  ],
  ["a number is left out", /^out of order/, ({ found }) => void Object.assign(found[1]!, { version: 2 })],
  ["a later save stands before an earlier one", /^out of order/, swapSequences],
  ["a load gives an older version", /^stale/, ({ events }) => void Object.assign(events[4]!, { id: "one" })],
  ["a load gives nothing", /^stale/, ({ events }) => void Object.assign(events[4]!, { id: undefined })],
  ["a load gives what nobody saved", /^lost/, ({ events }) => void Object.assign(events[4]!, { id: "else" })],
  [
    "a load gives what is not saved yet",
    /^wrong/,
    ({ events }) => void Object.assign(events[4]!, { from: 12, to: 15 }),
  ],
  ["the time goes back", /^the time/, ({ found }) => void Object.assign(found[1]!, { time: 4 })],
  ["a call fails", /^failed/, (history) => failed(history, "IO")],
  ["a lock can't be had and nobody was stopped", /^failed/, (history) => failed(history, "UNAVAILABLE")],
  ["a call hangs", /took/, ({ events }) => void Object.assign(events[4]!, { to: 1e6 })],
];

function swapSequences({ events, found }: History): void {
  Object.assign(events[1]!, { sequence: 2 });
  Object.assign(events[3]!, { sequence: 1 });
  Object.assign(found[0]!, { sequence: 2 });
  Object.assign(found[1]!, { sequence: 1 });
}

function failed({ events }: History, code: string): void {
  events.push({ what: "failed", who: "a", call: "save", from: 60, to: 70, code, message: "" });
}

test("a history in which all is well has nothing to be said of it", () => {
  assert.equal(checkHistory(goodHistory()), []);
});

for (const [what, expected, put] of FAULTS) {
  test(`of a history it is noticed that ${what}`, () => {
    const history = goodHistory();
    put(history);
    assert.ok(
      checkHistory(history).some((line) => expected.test(line)),
      checkHistory(history).join("\n"),
    );
  });
}

test("a lock that could not be had is no fault while somebody was stopped, nor is one's own stop a call that hangs", () => {
  const history = goodHistory();
  failed(history, "UNAVAILABLE");
  Object.assign(history.events[4]!, { to: 1e6 });
  history.stops.push({ who: "b", from: 45, to: 1e6 });
  assert.equal(checkHistory(history), []);
});

test.run();

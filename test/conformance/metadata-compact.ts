import * as assert from "node:assert/strict";
import type { MetadataStore, OperationRecord } from "../../engine/main.ts";
import { VarveError } from "../../engine/main.ts";
import type { MetadataTesting } from "./metadata-support.ts";
import {
  all,
  apply,
  at,
  failed,
  plain,
  randomOf,
  refsOf,
  refused,
  rejected,
  remove,
  START,
  save,
  saved,
  storeTests,
  succeeded,
  unit,
} from "./metadata-support.ts";

/** What is given back, and what is forgotten with it. */
export function compactTests(testing: MetadataTesting): void {
  horizonTests(testing);
  versionTests(testing);
  sharedTests(testing);
  momentTests(testing);
}

/** Commits so many units of a save each, and gives their numbers. */
async function saveMany(store: MetadataStore, count: number, start = START): Promise<number[]> {
  const units = Array.from({ length: count }, (_, i) => unit([save(`n${i % 10}`)], start + i));
  return (await store.commit(units)).map((result) => succeeded(result).sequence);
}

const numbersOf = (operations: readonly OperationRecord[]) => operations.map(({ sequence }) => sequence);

function horizonTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "compact");

  test("operations up to the horizon are forgotten, and whoever asks for them is told where history begins", async (store, {
    again,
  }) => {
    const numbers = await saveMany(store, 30);
    const horizon = numbers[19]!;
    await store.compact();
    assert.deepEqual(numbersOf(await all(store.operations(0))), numbers, "nobody asked for that");
    await store.compact({ historyBefore: horizon });
    for (const handle of [store, await again()]) {
      assert.deepEqual(numbersOf(await all(handle.operations(horizon))), numbers.slice(20));
      assert.deepEqual(numbersOf(await all(handle.operations(horizon + 3))), numbers.slice(23));
      for (const after of [0, numbers[3]!, horizon - 1]) {
        const error = await rejected(all(handle.operations(after)), "NOT_FOUND");
        assert.deepEqual(error.details, { after, horizon });
        assert.match(error.message, new RegExp(`begins behind ${horizon}$`));
        assert.ok(error.hint?.includes(`${horizon}`));
      }
    }
    assert.deepEqual(await store.check(), []);
  });

  test("the horizon never goes back, and is never of what is yet to come", async (store) => {
    const numbers = await saveMany(store, 10);
    await store.compact({ historyBefore: numbers[5]! });
    await store.compact({ historyBefore: numbers[1]! });
    await store.compact();
    assert.deepEqual(numbersOf(await all(store.operations(numbers[5]!))), numbers.slice(6));
    await rejected(all(store.operations(numbers[4]!)), "NOT_FOUND");
    await store.compact({ historyBefore: Number.MAX_SAFE_INTEGER });
    await rejected(all(store.operations(numbers[8]!)), "NOT_FOUND");
    const newest = (await store.counts()).sequence;
    assert.deepEqual(await all(store.operations(newest)), []);
    const next = await saved(store, "new");
    assert.deepEqual(numbersOf(await all(store.operations(newest))), [next.sequence]);
    assert.deepEqual(await refsOf(store, { prefix: "new" }), ["new:0"]);
  });

  test("who reads while it is forgotten misses nothing without being told", async (store, { again }) => {
    const numbers = await saveMany(store, 2_500);
    const reading = store.operations(0)[Symbol.asyncIterator]();
    const following = store.operations(numbers[1_299]!)[Symbol.asyncIterator]();
    const read = [(await reading.next()).value.sequence];
    const followed = [(await following.next()).value.sequence];
    await (await again()).compact({ historyBefore: numbers[1_299]! });
    const rest = async () => {
      for (let step = await reading.next(); !step.done; step = await reading.next())
        read.push(step.value.sequence);
    };
    await rejected(rest(), "NOT_FOUND");
    assert.deepEqual(read, numbers.slice(0, read.length));
    assert.ok(read.length <= 1_300);
    for (let step = await following.next(); !step.done; step = await following.next())
      followed.push(step.value.sequence);
    assert.deepEqual(followed, numbers.slice(1_300));
  });

  test("a dry run says as much, and does nothing", async (store) => {
    const numbers = await saveMany(store, 300);
    await apply(store, { kind: "delete", target: { name: "n3", kind: "all" }, aliases: false });
    const { sequence } = await store.counts();
    const foreseen = await store.compact({ historyBefore: sequence, dryRun: true });
    assert.equal((await all(store.operations(0))).length, 330);
    assert.equal((await refsOf(store, { mode: "deleted" })).length, 30);
    const done = await store.compact({ historyBefore: sequence });
    assert.deepEqual([done.records, done.freedBytes], [foreseen.records, foreseen.freedBytes]);
    assert.ok(done.records > 0);
    assert.deepEqual(done.skipped, []);
    assert.equal((await store.compact({ historyBefore: numbers[5]! })).records, 0);
  });
}

function versionTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "compact");

  test("of what was deleted by then only the numbers are left, but for the first and the newest of a name", async (store, {
    again,
  }) => {
    for (let i = 0; i < 6; i++) await saved(store, "a", { tags: { i: `${i}` } });
    await apply(store, remove("a", 0));
    await apply(store, remove("a", 5));
    await apply(store, remove("a", 4));
    // Deleted, and brought back.
    await apply(store, remove("a", 3), { kind: "undelete", name: "a", version: 3 });
    const { sequence } = await apply(store, remove("a", 1));
    await apply(store, remove("a", 2));
    const before = plain(await store.at("a", 3));
    await store.forget((await store.counts()).sequence);
    await store.compact({ historyBefore: sequence });
    for (const handle of [store, await again()]) {
      assert.deepEqual(await refsOf(handle, { mode: "deleted" }), ["a:5", "a:2", "a:0"]);
      for (const version of [1, 4]) {
        assert.equal(await handle.at("a", version), undefined);
        const error = await refused(handle, "NOT_FOUND", { kind: "undelete", name: "a", version });
        assert.equal(error.message, `there is no artifact a:${version}`);
      }
      assert.deepEqual(plain(await handle.at("a", 3)), before);
      assert.deepEqual(await refsOf(handle), ["a:3"]);
    }
    assert.deepEqual(
      await refsOf(store, {
        mode: "deleted",
        hints: { tags: { i: "4" } },
        matches: ({ tags }) => tags.i === "4",
      }),
      [],
    );
    assert.deepEqual(await store.check(), []);
    assert.equal((await saved(store, "a")).version, 6, "no number is given again");
    assert.equal((await saved(store, "a")).version, 7);
  });

  test("what was not forgotten goes too", async (store) => {
    for (let i = 0; i < 3; i++) await saved(store, "a");
    const { sequence } = await apply(store, remove("a", 1));
    await store.compact({ historyBefore: sequence });
    assert.equal(await store.at("a", 1), undefined);
    assert.equal((await store.counts()).deletedVersions, 0);
    assert.equal((await all(store.values())).length, 2);
  });

  test("hundreds of versions of many names go at once", async (store) => {
    await saveMany(store, 1_500);
    const all_ = Array.from({ length: 9 }, (_, i) =>
      unit([{ kind: "delete", target: { name: `n${i}`, kind: "all" }, aliases: false }]),
    );
    for (const result of await store.commit(all_)) succeeded(result);
    await store.compact({ historyBefore: (await store.counts()).sequence });
    const left = Array.from({ length: 9 }, (_, i) => [`n${i}:149`, `n${i}:0`]).flat();
    assert.deepEqual(await refsOf(store, { mode: "deleted" }), left);
    assert.equal((await refsOf(store)).length, 150);
    assert.deepEqual(await store.check(), []);
    assert.equal((await saved(store, "n3")).version, 150);
  });

  test("lineage goes with them, from what they were made of and to what was made of them", async (store) => {
    await apply(store, save("data"), save("data"), save("data"));
    await apply(store, save("mid"));
    await saved(store, "mid", { inputs: [at("data", 0), at("data", 1)] });
    await saved(store, "mid", { inputs: [at("data", 0)] });
    await saved(store, "end", { inputs: [at("mid", 1), at("data", 0)] });
    const { sequence } = await apply(store, remove("mid", 1));
    await store.compact({ historyBefore: sequence });
    const refs = async (direction: "up" | "down", name: string, version: number) => {
      const steps = await store.lineage(direction, [{ name, version }]);
      return steps.map(({ from, to }) => `${from.name}:${from.version} ${to.name}:${to.version}`).sort();
    };
    assert.deepEqual(await refs("down", "data", 0), ["data:0 end:0", "data:0 mid:2"]);
    assert.deepEqual(await refs("down", "data", 1), []);
    assert.deepEqual(await refs("down", "mid", 1), []);
    assert.deepEqual((await store.at("end", 0))?.inputs, ["mid:1", "data:0"], "as it was saved");
    assert.deepEqual(await store.check(), []);
  });
}

function sharedTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "compact");
  const code = (i: number) => ({ sources: [{ text: `let x = ${i}; `.repeat(200) }] });
  const environment = (i: number) => Object.freeze({ user: `user ${i}`, script: "train.ts" });

  test("code and environments stay for those that name them, and come again when they are saved again", async (store, {
    again,
  }) => {
    const other = await again();
    const kept = { code: code(0), environment: environment(0) };
    const going = { code: code(1), environment: environment(1) };
    for (const options of [kept, going, kept]) await saved(store, "a", options);
    const { sequence } = await apply(other, remove("a", 1));
    await other.forget(sequence);
    await other.compact({ historyBefore: sequence });
    // The first handle has seen them there.
    await saved(store, "a", going);
    const reader = await again();
    for (const [version, options] of [kept, undefined, kept, going].entries()) {
      const record = await reader.at("a", version);
      assert.deepEqual(record && { code: record.code, environment: record.environment }, options);
    }
    assert.equal((await all(reader.operations(sequence))).length, 1);
    assert.deepEqual(await reader.check(), []);
  });

  test("beside those who save, delete and bring back, nothing that a version needs goes", async (store, {
    again,
  }) => {
    const handles = [store, await again()];
    let isDone = false;
    const work = handles.map(async (handle, id) => {
      const random = randomOf(id);
      for (let i = 0; i < 80; i++) {
        const some = { code: code(random(6)), environment: environment(random(6)) };
        const { version } = await saved(handle, `n${id}`, some);
        await apply(handle, remove(`n${id}`, version));
        if (random(3) > 0) continue;
        // It may be gone by now.
        const [result] = await handle.commit([unit([{ kind: "undelete", name: `n${id}`, version }])]);
        if (result instanceof Error) failed(result, "NOT_FOUND");
      }
    });
    const compacting = [await again(), await again()].map(async (handle) => {
      for (let rounds = 0; !isDone && rounds < 10_000; rounds++) {
        await compactedUnlessOther(handle);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    });
    await Promise.all(work).finally(() => {
      isDone = true;
    });
    await Promise.all(compacting);
    const reader = await again();
    assert.deepEqual(await reader.check(), []);
    for (const mode of ["live", "deleted"] as const) {
      for (const ref of await refsOf(reader, { mode })) {
        const [name, version] = ref.split(":") as [string, string];
        assert.match(String((await reader.at(name, Number(version)))?.environment.user), /^user \d$/);
      }
    }
    for (const id of [0, 1]) assert.equal((await saved(reader, `n${id}`)).version, 80);
  });
}

/** Another one may be at it where only one at a time can be. */
async function compactedUnlessOther(handle: MetadataStore): Promise<void> {
  try {
    await handle.compact({ historyBefore: (await handle.counts()).sequence });
  } catch (error) {
    if (!(error instanceof VarveError && error.code === "CONFLICT")) throw error;
  }
}

function momentTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "operations");

  test("the newest one up to a moment is told", async (store) => {
    assert.equal(await store.sequenceAt(START), 0);
    const times = [10, 20, 20, 20, 35, 60];
    const results = await store.commit(times.map((time) => unit([save("a")], START + time)));
    const numbers = results.map((result) => succeeded(result).sequence);
    const told = (time: number) => store.sequenceAt(START + time);
    assert.ok((await told(9)) < numbers[0]!);
    for (const [time, place] of [
      [10, 0],
      [19, 0],
      [20, 3],
      [34, 3],
      [35, 4],
      [59, 4],
      [60, 5],
      [10_000, 5],
    ] as const)
      assert.equal(await told(time), numbers[place], `${time}`);
    await store.compact({ historyBefore: numbers[4]! });
    assert.equal(await told(60), numbers[5]);
    assert.ok((await told(20)) <= numbers[4]!);
  });
}

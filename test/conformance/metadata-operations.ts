import * as assert from "node:assert/strict";
import type { MetadataStore, OperationRecord, VersionRecord } from "../../engine/main.ts";
import { operationState } from "../../engine/main.ts";
import type { MetadataTesting } from "./metadata-support.ts";
import {
  all,
  apply,
  at,
  latest,
  pending,
  refused,
  START,
  save,
  saved,
  storeTests,
  succeeded,
  unit,
} from "./metadata-support.ts";

/** The change feed. */
export function operationTests(testing: MetadataTesting): void {
  stateTests(testing);
  orderTests(testing);
}

function stateTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "operations");

  test("each operation has its kind, its number and time, and the full new state of the version", async (store) => {
    const times = [1, 2, 3, 4, 5, 6, 7];
    const first = save("a", { tags: { x: "1" }, metadata: { y: [1] }, environment: { user: "mia" } });
    const operations = [
      first,
      save("b", { inputs: [latest("a")], code: { sources: [{ text: "x" }] } }),
      { kind: "alias", name: "a", alias: "best", version: 0 } as const,
      { kind: "annotate", target: at("a", 0), tags: { x: "2" } } as const,
      { kind: "deleteAlias", name: "a", alias: "best" } as const,
      { kind: "delete", target: at("a", 0), aliases: false } as const,
      { kind: "undelete", name: "a", version: 0 } as const,
    ];
    const states: VersionRecord[] = [];
    const numbers: number[] = [];
    for (const [i, operation] of operations.entries()) {
      const result = succeeded((await store.commit([unit([operation], START + times[i]!)]))[0]);
      numbers.push(result.sequence);
      states.push((await store.at(i === 1 ? "b" : "a", 0))!);
    }
    const read = await all(store.operations(0));
    assert.deepEqual(
      read.map(({ kind, name, version, alias }) => [kind, name, version, alias]),
      [
        ["save", "a", 0, undefined],
        ["save", "b", 0, undefined],
        ["alias", "a", 0, "best"],
        ["annotate", "a", 0, undefined],
        ["alias", "a", undefined, "best"],
        ["delete", "a", 0, undefined],
        ["undelete", "a", 0, undefined],
      ],
    );
    assert.deepEqual(
      read.map(({ sequence, time }) => [sequence, time]),
      numbers.map((number, i) => [number, START + times[i]!]),
    );
    for (const i of [0, 1, 3, 5, 6])
      assert.deepEqual(read[i]?.state, operationState(states[i]!), `of ${read[i]?.kind}`);
    assert.deepEqual([read[2]?.state, read[4]?.state], [undefined, undefined]);
  });

  test("a delete tells of the aliases that went with it, an undelete of those that came back", async (store) => {
    await apply(store, save("a"), { kind: "alias", name: "a", alias: "x", version: 0 });
    const { sequence } = await store.counts();
    await apply(store, { kind: "delete", target: at("a", 0), aliases: true });
    await apply(store, { kind: "undelete", name: "a", version: 0 });
    const read = await all(store.operations(sequence));
    const told = read.map(
      (each) => `${each.sequence - sequence} ${each.kind} ${each.name} ${each.version} ${each.alias}`,
    );
    assert.deepEqual(told.sort(), [
      "1 alias a undefined x",
      "1 delete a 0 undefined",
      "2 alias a 0 x",
      "2 undelete a 0 undefined",
    ]);
  });

  test("a delete unless changed is one, or a prune", async (store) => {
    await saved(store, "a");
    const { sequence } = await store.counts();
    await apply(store, {
      kind: "delete",
      target: at("a", 0),
      aliases: false,
      unless: { changedAfter: sequence },
    });
    const [operation] = await all(store.operations(sequence));
    assert.ok(operation?.kind === "delete" || operation?.kind === "prune");
    assert.equal(operation.state?.deleted, true);
  });

  test("a unit's operations share its number, and those of failed units do not appear", async (store) => {
    const { sequence } = await apply(
      store,
      save("a"),
      save("b"),
      { kind: "alias", name: "a", alias: "x", version: pending(0) },
      { kind: "annotate", target: pending(1), tags: { y: "1" } },
    );
    await refused(store, "NOT_FOUND", save("c"), { kind: "deleteAlias", name: "a", alias: "none" });
    const next = await saved(store, "c");
    const read = await all(store.operations(0));
    assert.deepEqual(new Set(read.map((each) => each.sequence)), new Set([sequence, next.sequence]));
    assert.deepEqual(
      read.filter((each) => each.kind === "save").map(({ name }) => name),
      ["a", "b", "c"],
    );
    const last = read.findLast(({ name }) => name === "b");
    assert.deepEqual(last?.state, operationState((await store.at("b", 0))!));
  });
}

function orderTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "operations");

  test("a feed goes on behind any number, at the end there is nothing", async (store) => {
    await store.commit(Array.from({ length: 1_200 }, (_, i) => unit([save(`n${i % 10}`)], START + i)));
    const everything = await all(store.operations(0));
    assert.equal(everything.length, 1_200);
    const { sequence: first } = everything[0]!;
    for (const after of [first, first + 1, first + 599, first + 1_198]) {
      const rest = await all(store.operations(after));
      assert.deepEqual(
        rest.map(({ sequence }) => sequence),
        everything.slice(after - first + 1).map(({ sequence }) => sequence),
      );
    }
    assert.deepEqual(await all(store.operations(first + 1_199)), []);
    assert.deepEqual(await all(store.operations(first + 5_000)), []);
    checkOrder(everything);
  });

  test("of two handles that write at the same time, no operation is ever missed", async (store, {
    again,
  }) => {
    const other = await again();
    let isDone = false;
    const writing = Promise.all(
      [store, other].map(async (handle, i) => {
        for (let j = 0; j < 60; j++) await Promise.all([saved(handle, `n${i}`), saved(handle, "same")]);
      }),
    ).finally(() => {
      isDone = true;
    });
    const reader = await again();
    const read: OperationRecord[] = [];
    while (!isDone) await readOn(reader, read);
    await writing;
    await readOn(reader, read);
    assert.equal(read.length, 240);
    const [first] = read;
    assert.deepEqual(
      read.map(({ sequence }) => sequence - first!.sequence),
      read.map((_, i) => i),
      "without gaps",
    );
    const versions = read.filter(({ name }) => name === "same").map(({ version }) => version);
    assert.deepEqual(
      versions,
      versions.map((_, i) => i),
    );
    checkOrder(read);
  });
}

async function readOn(reader: MetadataStore, read: OperationRecord[]): Promise<void> {
  for await (const operation of reader.operations(read.at(-1)?.sequence ?? 0)) read.push(operation);
  await new Promise((resolve) => setTimeout(resolve, 1));
}

function checkOrder(operations: readonly OperationRecord[]): void {
  for (const [i, { sequence, time }] of operations.entries()) {
    const before = operations[i - 1];
    assert.ok(!before || before.sequence <= sequence, "in order");
    assert.ok(!before || before.time <= time, "time never decreases");
  }
}

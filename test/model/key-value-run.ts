import assert from "node:assert";
import type { Key } from "../../engine/key.ts";
import type { Engine, Operation, RangeOptions, Snapshot } from "../../engine/key-value-api.ts";
import type { PutOrDelete, Step } from "./key-value-commands.ts";
import type { ModelOperation } from "./key-value-model.ts";
import { compareKeys, KeyValueModel } from "./key-value-model.ts";
import { assertSame, collect, modelOutcome, outcomeOf } from "./support.ts";

/** Something to read from, and the model of it: the engine as it is now, or a snapshot of it. */
interface Source {
  engine: Engine | Snapshot;
  model: KeyValueModel;
}

/** Takes the same steps on an engine and on the model, and compares. */
export class KeyValueRun {
  readonly #model = new KeyValueModel();
  readonly #reopen: (engine: Engine | undefined) => Promise<Engine>;
  #snapshots: { engine: Snapshot; model: KeyValueModel }[] = [];
  #engine!: Engine;

  constructor(reopen: (engine: Engine | undefined) => Promise<Engine>) {
    this.#reopen = reopen;
  }

  async run(steps: readonly Step[]): Promise<void> {
    await this.#open();
    for (const step of steps) await this.#step(step);
    await this.#checkAll();
    for (const source of this.#snapshots) await checkRange(source, {});
    await this.#engine.rebuildIndex();
    for (const source of this.#snapshots) await checkRange(source, {});
    await this.#checkAll();
    await this.#open();
    await this.#checkAll();
  }

  async #open(): Promise<void> {
    await this.#closeSnapshots();
    this.#engine = await this.#reopen(this.#engine);
  }

  async #closeSnapshots(): Promise<void> {
    for (const { engine } of this.#snapshots.splice(0)) {
      await engine.close();
      assert.deepStrictEqual(await outcomeOf(() => engine.get("a")), { code: "CLOSED" });
    }
  }

  async #step(step: Step): Promise<void> {
    switch (step.type) {
      case "one":
        return this.#one(this.#resolved(step.operation));
      case "batch":
        return this.#batch(step.operations.map((operation) => this.#resolved(operation)));
      case "read":
        return checkReads(this.#source(step.snapshot), step.keys);
      case "range":
        return checkRange(this.#source(step.snapshot), step.options, step.leaveAfter);
      case "fill":
        return this.#batch(
          Array.from({ length: step.count }, (_, i) => ({ type: "put", key: ["fill", i], value: i })),
        );
      case "snapshot": {
        const engine = this.#engine.snapshot();
        assert.strictEqual(engine.sequence, this.#model.sequence);
        this.#snapshots.push({ engine, model: this.#model.snapshot() });
        return;
      }
      case "closeSnapshots":
        return this.#closeSnapshots();
      case "stats":
        return this.#checkStats();
      case "verify":
        return this.#verify();
      case "reopen":
        return this.#open();
      case "rebuild":
        return this.#engine.rebuildIndex();
    }
  }

  /** 0, or more than there are, is the engine as it is now. */
  #source(number: number): Source {
    return this.#snapshots[number - 1] ?? { engine: this.#engine, model: this.#model };
  }

  #resolved(operation: PutOrDelete): ModelOperation {
    if (operation.type === "del") return operation;
    const { ifKey, ifNever, ...put } = operation;
    if (ifNever) return { ...put, ifSequence: this.#model.sequence + 100 };
    const wanted = ifKey === undefined ? undefined : this.#model.get(ifKey)?.sequence;
    return wanted === undefined ? put : { ...put, ifSequence: wanted };
  }

  async #one(operation: ModelOperation): Promise<void> {
    const wasThere = this.#model.get(operation.key) !== undefined;
    const expected = modelOutcome(() => {
      const result = this.#model.apply([operation]);
      return operation.type === "put" ? result : wasThere;
    });
    const outcome = await outcomeOf(() => {
      if (operation.type === "del") return this.#engine.del(operation.key);
      const { key, value, ...options } = operation;
      return this.#engine.put(key, value, options);
    });
    assert.deepStrictEqual(outcome, expected);
  }

  async #batch(operations: ModelOperation[]): Promise<void> {
    const expected = modelOutcome(() => this.#model.apply(operations));
    const outcome = await outcomeOf(() => this.#engine.batch(operations as Operation[]));
    assert.deepStrictEqual(outcome, expected);
  }

  async #checkAll(): Promise<void> {
    const now = this.#source(0);
    await checkRange(now, {});
    await checkRange(now, { reverse: true });
    await checkReads(
      now,
      this.#model
        .range({})
        .slice(0, 20)
        .map(({ key }) => key),
    );
    await this.#checkStats();
    await this.#verify();
  }

  async #checkStats(): Promise<void> {
    const { keys, sequence } = await this.#engine.stats();
    assert.deepStrictEqual({ keys, sequence }, { keys: this.#model.keys, sequence: this.#model.sequence });
  }

  async #verify(): Promise<void> {
    const { ok, problems } = await this.#engine.verify({ full: true });
    assert.deepStrictEqual({ ok, problems }, { ok: true, problems: [] });
  }
}

async function checkReads({ engine, model }: Source, keys: readonly Key[]): Promise<void> {
  const expected = keys.map((key) => model.get(key)?.value);
  const values =
    "getMany" in engine ? await engine.getMany(keys) : await Promise.all(keys.map((key) => engine.get(key)));
  assertSame(values, expected, "the values of several keys");
  for (const [i, key] of keys.entries()) {
    assertSame(await engine.get(key), expected[i], `the value of ${String(key)}`);
    assert.strictEqual(await engine.has(key), model.get(key) !== undefined);
  }
}

async function checkRange(
  { engine, model }: Source,
  options: RangeOptions,
  leaveAfter = 99_999,
): Promise<void> {
  const expected = modelOutcome(() => model.range(options).slice(0, leaveAfter));
  const outcome = await outcomeOf(() => collect(engine.range(options), leaveAfter));
  if ("code" in expected || "code" in outcome) return assert.deepStrictEqual(outcome, expected);
  const entries = outcome.result as [Key, unknown][];
  const wanted = expected.result as { key: Key; value: unknown }[];
  assert.deepStrictEqual(entries.map(([key]) => key).map(zero), wanted.map(({ key }) => key).map(zero));
  for (const [i, [key, value]] of entries.entries()) {
    assert.strictEqual(compareKeys(key, wanted[i]!.key), 0);
    assertSame(value, options.values === false ? undefined : wanted[i]!.value, `the value of ${String(key)}`);
  }
}

/** A key without `-0`, which is the same key as 0. */
export function zero(key: Key): Key {
  if (typeof key === "number") return key + 0;
  return Array.isArray(key) ? key.map((item) => (typeof item === "number" ? item + 0 : item)) : key;
}

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore, PrunePolicy, PruneReport } from "../../engine/api.ts";
import { failure } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, openSeamStore } from "../helpers/stores.ts";
import type { ModelVersion } from "./prune-model.ts";
import { PruneModel } from "./prune-model.ts";

/**
 * Random histories, then random policies, against a plain model: what goes, what stays, and how many bytes.
 * `VARVE_TEST_HISTORIES`: how many; default 12.
 */
const test = suite("random pruning");
test.after.each(closeAll);

const HISTORIES = Number(process.env.VARVE_TEST_HISTORIES ?? 12);
const NAMES = ["a", "x/a", "x/b", "y"];
const TAGS = ["red", "blue"];

class History {
  readonly model: PruneModel;
  readonly clock = { now: Date.parse("2026-01-01") };
  readonly random: Random;
  readonly store: ArtifactStore;

  constructor(random: Random, store: ArtifactStore, clock: { now: number }) {
    this.random = random;
    this.store = store;
    this.clock = clock;
    this.model = new PruneModel(random);
  }

  async step(): Promise<void> {
    this.clock.now += this.random.below(3) * 3_600_000;
    const steps = [
      this.#save,
      this.#save,
      this.#save,
      this.#save,
      this.#delete,
      this.#undelete,
      this.#alias,
      this.#annotate,
    ];
    await this.#pick(steps)!.call(this);
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[this.random.below(items.length)];
  }

  #version(isDeleted: boolean): ModelVersion | undefined {
    return this.#pick(this.model.versions.filter((version) => version.isDeleted === isDeleted));
  }

  async #save(): Promise<void> {
    const name = this.#pick(NAMES)!;
    const value = this.#pick(this.model.blobs.filter((blob) => blob.value))!;
    const code =
      this.random.below(3) === 0 ? this.#pick(this.model.blobs.filter((blob) => blob.code)) : undefined;
    const tags: Record<string, string> = this.random.below(2) === 0 ? { color: this.#pick(TAGS)! } : {};
    const saved = await this.store.save(name, value.value, { tags, ...(code && { code: code.code! }) });
    const { version, ref, sequence } = saved;
    const blobs = code ? [value, code] : [value];
    for (const blob of blobs) blob.isThere = true;
    this.model.versions.push({
      name,
      version,
      ref,
      blobs,
      sequence,
      time: this.clock.now,
      tags,
      isDeleted: false,
    });
  }

  async #delete(): Promise<void> {
    const victim = this.#version(false);
    if (!victim || this.model.isAliased(victim)) return;
    await this.store.delete(victim.ref);
    victim.isDeleted = true;
  }

  async #undelete(): Promise<void> {
    const victim = this.#version(true);
    if (!victim) return;
    if (victim.blobs.every(({ isThere }) => isThere)) {
      await this.store.undelete(victim.ref);
      victim.isDeleted = false;
    } else {
      const { hint } = await failure(this.store.undelete(victim.ref), "NOT_FOUND");
      assert.match(hint!, "list --deleted");
    }
  }

  async #alias(): Promise<void> {
    const { name, version } = this.#version(false) ?? {};
    if (!name) return;
    const alias = this.#pick(["p", "q"])!;
    if (this.random.below(3) > 0) {
      await this.store.setAlias(name, alias, version!);
      this.model.aliases.set(`${name}@${alias}`, version!);
    } else if (this.model.aliases.delete(`${name}@${alias}`)) await this.store.deleteAlias(name, alias);
  }

  async #annotate(): Promise<void> {
    const version = this.#version(false);
    if (!version) return;
    const color = this.#pick(TAGS)!;
    await this.store.annotate(version.ref, { tags: { color } });
    version.tags = { ...version.tags, color };
  }

  policy(): PrunePolicy {
    const { random } = this;
    const maybe = <T>(make: () => T) => (random.below(3) === 0 ? make() : undefined);
    const parts = {
      keepLast: random.below(2) === 0 ? random.below(4) : undefined,
      olderThan: maybe(() => `${random.below(6)}d`),
      name: maybe(() => "x/*"),
      tags: maybe(() => ({ color: this.#pick(TAGS)! })),
      keepTags: maybe(() => ({ color: this.#pick(TAGS)!, other: "x" })),
      keepName: maybe(() => this.#pick(NAMES)!),
    };
    const policy = Object.fromEntries(Object.entries(parts).filter(([, part]) => part !== undefined));
    return Object.keys(policy).some((item) => !item.startsWith("keepT") && !item.startsWith("keepN"))
      ? policy
      : { ...policy, keepLast: 1 };
  }

  /** Prunes, and compares everything about it with the model. */
  async prune(policy: PrunePolicy): Promise<void> {
    const planned = this.model.plan(policy, this.clock.now);
    const isAll = planned.goes.length > 0 && planned.goes.length === this.model.live().length;
    if (isAll) await failure(this.store.prune(policy), "INVALID_ARGUMENT");
    const options = { force: isAll };
    const dead = this.model.deadBytes();
    const foreseen = await this.store.prune(policy, { ...options, dryRun: true });
    await this.check();
    const done = await this.store.prune(policy, options);
    for (const report of [foreseen, done]) {
      assert.equal(
        refsOf(report),
        planned.goes.map(({ ref }) => ref),
      );
      assert.equal([...report.protected].sort(), planned.isProtected);
      assert.is(report.plannedBytes, planned.bytes, "planned bytes");
      assert.is(report.deadBytes, dead, "dead bytes");
    }
    assert.is(done.freedBytes, planned.bytes + dead, "freed bytes");
    assert.ok(
      done.logBytes <= foreseen.logBytes,
      `${done.logBytes} bytes, at most ${foreseen.logBytes} foreseen`,
    );
    for (const version of planned.goes) version.isDeleted = true;
    this.model.compacted();
    await this.check();
  }

  async pruneToSize(): Promise<void> {
    const { logBytes } = await this.store.stats();
    const maxSize = Math.floor(logBytes * (0.3 + this.random.next() * 0.6));
    const report = await this.store.prune({ maxSize }).catch(() => undefined);
    if (!report) return;
    const open = this.model.live().filter((version) => !this.model.isAliased(version));
    const goes = open.slice(0, report.versions.length);
    assert.equal(
      refsOf(report),
      goes.map(({ ref }) => ref),
    );
    assert.is(report.plannedBytes, this.model.freedBy(goes));
    assert.is(report.freedBytes, report.plannedBytes + report.deadBytes);
    assert.ok(report.logBytes <= maxSize, `${report.logBytes} bytes with a maxSize of ${maxSize}`);
    for (const version of goes) version.isDeleted = true;
    this.model.compacted();
    await this.check();
  }

  /** The store has what the model has, and can give every byte of it. */
  async check(): Promise<void> {
    const found: string[] = [];
    for await (const { ref } of this.store.list({ allVersions: true })) found.push(ref);
    const live = this.model.live();
    assert.equal(found.sort(), live.map(({ ref }) => ref).sort());
    for (const { ref, blobs } of live) {
      const artifact = await this.store.get(ref);
      assert.ok(Buffer.from(await artifact.bytes()).equals(blobs[0]!.value!), ref);
      if (blobs[1]) assert.is(artifact.code?.sources[0]?.text, blobs[1].code);
    }
    const { deadBlobBytes } = await this.store.stats();
    assert.is(deadBlobBytes, this.model.deadBytes());
  }
}

function refsOf({ versions }: PruneReport): string[] {
  return versions.map(({ ref }) => ref);
}

test("after any history a policy lets go what it should, and frees the planned bytes exactly", async () => {
  const random = new Random("random pruning");
  for (let history = 0; history < HISTORIES; history++) {
    const clock = { now: Date.parse("2026-01-01") };
    const options = { segmentBytesMax: 16_384 + random.below(100_000), clock: () => new Date(clock.now) };
    const store = await openSeamStore(newFolder(), options, "buffered");
    const run = new History(random, store, clock);
    for (let round = 0; round < 3; round++) {
      for (let steps = 10 + random.below(30); steps > 0; steps--) await run.step();
      if (random.below(3) === 0) await run.pruneToSize();
      else await run.prune(run.policy());
      if (random.below(4) === 0) {
        await store.rebuildIndex();
        await run.check();
      }
    }
    const { ok, problems } = await store.verify({ full: true });
    assert.ok(ok, JSON.stringify(problems));
    await store.close();
  }
});

test.run();

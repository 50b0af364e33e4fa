import assert from "node:assert";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Artifact, ArtifactStore, Pending } from "../../engine/api.ts";
import { encodeValue } from "../../engine/codec/cbor.ts";
import { VarveError } from "../../engine/errors.ts";
import {
  aliasTarget,
  blobOf,
  facts,
  isArtifact,
  isVersion,
  queue,
  resolved,
  saveOptions,
  text,
  versionFacts,
} from "./store-calls.ts";
import type { Call, Change, PendingIndex, SaveCall } from "./store-commands.ts";
import { NAMES } from "./store-commands.ts";
import type { ModelRef, ModelSave, ModelVersion } from "./store-model.ts";
import { StoreModel } from "./store-model.ts";
import type { Outcome } from "./support.ts";
import { assertSame, collect, modelOutcome, newFolder, outcomeOf, Refused } from "./support.ts";

/** Calls a store and the model alike, and compares what they come to. */
export class StoreRun {
  readonly #model = new StoreModel();
  readonly #reopen: (store: ArtifactStore | undefined, clock: () => Date) => Promise<ArtifactStore>;
  readonly #values = new Map<string, unknown>();
  #store!: ArtifactStore;
  #now = 500;
  readonly #isExact: boolean;
  readonly #isComposed: boolean;
  readonly #facts: typeof facts;

  /** @param isExact blobs and operations are counted, as for values of one blob @param isComposed there is no log, and no index */
  constructor(
    reopen: (store: ArtifactStore | undefined, clock: () => Date) => Promise<ArtifactStore>,
    isExact = true,
    isComposed = false,
  ) {
    this.#reopen = reopen;
    this.#isExact = isExact;
    this.#isComposed = isComposed;
    this.#facts = isExact ? facts : (artifact) => ({ ...facts(artifact), sequence: 0 });
  }

  async run(calls: readonly Call[]): Promise<void> {
    await this.#open();
    for (const call of calls) await this.#call(call);
    await this.#checkAll();
    await this.#rebuild();
    await this.#checkAll();
    await this.#open();
    await this.#checkAll();
  }

  async #open(): Promise<void> {
    this.#store = await this.#reopen(this.#store, () => new Date(this.#now));
  }

  async #call(call: Call): Promise<void> {
    switch (call.type) {
      case "change":
        return this.#change(call.change);
      case "batch":
        return this.#batch(call.changes, call.throws);
      case "undelete": {
        const expected = this.#commit(() => this.#versionFacts(this.#model.undelete(call.ref)));
        return same(
          await outcomeOf(async () => this.#facts(await this.#store.undelete(text(call.ref)))),
          expected,
        );
      }
      case "read":
        return this.#read(call.ref);
      case "list": {
        const expected = this.#model.list(call.filter).slice(0, call.leaveAfter);
        return this.#sameList(await collect(this.#store.list(call.filter), call.leaveAfter), expected);
      }
      case "names":
        return this.#checkName(call.name);
      case "clock":
        // A save in parts that is refused may have written some, and no later time is before theirs: the model can't know.
        this.#now = this.#isExact ? call.now : Math.max(call.now, this.#now);
        return;
      case "stats":
        return this.#checkStats();
      case "verify":
        return this.#verify();
      case "reopen":
        return this.#open();
      case "rebuild":
        return this.#rebuild();
      case "compact":
        await this.#store.compact();
        return this.#model.compact(this.#isComposed);
    }
  }

  async #change(change: Change): Promise<void> {
    const expected = this.#commit(() => {
      const result = this.#applyToModel(change, []);
      return isVersion(result) ? this.#versionFacts(result) : result;
    });
    const outcome = await outcomeOf(async () => {
      const result = await this.#applyToStore(change);
      return isArtifact(result) ? this.#facts(result) : result;
    });
    same(outcome, expected);
  }

  #applyToStore(change: Change): Promise<unknown> {
    const store = this.#store;
    switch (change.type) {
      case "save":
        return this.#save(change);
      case "delete":
        return store.delete(text(change.ref as ModelRef), { aliases: change.aliases });
      case "setAlias":
        return store.setAlias(change.name, change.alias, change.version as number);
      case "deleteAlias":
        return store.deleteAlias(change.name, change.alias);
      case "annotate":
        return store.annotate(text(change.ref as ModelRef), change);
    }
  }

  #save(change: SaveCall): Promise<Artifact> {
    const options = saveOptions(
      change,
      change.inputs.map((ref) => text(ref as ModelRef)),
    );
    if (!change.viaFile || !(change.value instanceof Uint8Array))
      return this.#store.save(change.name, change.value, options);
    const path = join(newFolder(), "value");
    writeFileSync(path, change.value);
    return this.#store.saveFile(change.name, path, options);
  }

  async #batch(changes: Change[], throws: boolean): Promise<void> {
    const expected = this.#commit(() => {
      const saved: ModelVersion[] = [];
      // What can be told at once is refused before anything runs.
      if (
        changes.some(
          (change) => change.type === "delete" && "kind" in change.ref && change.ref.kind === "bare",
        )
      )
        throw new Refused("INVALID_ARGUMENT");
      if (throws) throw new Refused("NOT_SUPPORTED");
      for (const change of changes) this.#applyToModel(change, saved);
      return saved.map((version) => this.#versionFacts(version));
    });
    const outcome = await outcomeOf(async () => {
      const saved = await this.#store.batch(async (batch) => {
        const pending: Pending[] = [];
        for (const change of changes) queue(batch, change, pending);
        await Promise.resolve();
        if (throws) throw new VarveError("NOT_SUPPORTED", "the function of the batch gave up");
      });
      return saved.map(this.#facts);
    });
    same(outcome, expected);
  }

  /** `saved`: what the batch has saved so far, which pending saves stand for. */
  #applyToModel(change: Change, saved: ModelVersion[]): unknown {
    const model = this.#model;
    const refOf = (ref: ModelRef | PendingIndex) => resolved(ref, saved);
    switch (change.type) {
      case "save": {
        const version = model.save({ ...this.#modelSave(change), inputs: change.inputs.map(refOf) });
        saved.push(version);
        return version;
      }
      case "delete":
        return model.delete(refOf(change.ref), change.aliases);
      case "setAlias": {
        const { name, version } = aliasTarget(change, saved);
        return model.setAlias(name, change.alias, version);
      }
      case "deleteAlias":
        return model.deleteAlias(change.name, change.alias);
      case "annotate":
        return model.annotate(refOf(change.ref), change.tags, change.metadata);
    }
  }

  #modelSave({
    name,
    value,
    mediaType,
    code,
    tags,
    metadata,
    ifVersion,
  }: SaveCall): Omit<ModelSave, "inputs"> {
    const isBytes = value instanceof Uint8Array;
    const blob = blobOf(isBytes ? value : encodeValue(value));
    this.#values.set(`${blob.digest} ${isBytes}`, isBytes ? new Uint8Array(value) : value);
    const bytesType = mediaType ?? "application/octet-stream";
    const codeBlob =
      code && code.length > 512 ? blobOf(encodeValue({ sources: [{ text: code }] })) : undefined;
    return {
      name,
      value: { ...blob, mediaType: isBytes ? bytesType : "application/cbor" },
      codeBlob,
      code,
      tags,
      metadata,
      ifVersion,
    };
  }

  #commit(run: () => unknown): Outcome {
    return modelOutcome(() => this.#model.commit(this.#now, run));
  }

  async #read(ref: ModelRef): Promise<void> {
    const store = this.#store;
    const get = modelOutcome(() => this.#versionFacts(this.#model.live(ref)));
    same(await outcomeOf(async () => this.#facts(await store.get(text(ref)))), get);
    const found = modelOutcome(() => this.#model.find(ref) !== undefined);
    same(await outcomeOf(() => store.has(text(ref))), found);
    same(await outcomeOf(async () => (await store.find(text(ref))) !== undefined), found);
    const loaded = await outcomeOf(() => store.load(text(ref)));
    if ("code" in get) return same(loaded, get);
    assert.ok("result" in loaded, `load of ${text(ref)} was refused`);
    const version = this.#model.live(ref);
    const value = this.#values.get(`${version.digest} ${version.mediaType !== "application/cbor"}`);
    assertSame(loaded.result, value, `load of ${text(ref)}`);
    const artifact = await store.get(text(ref));
    assertSame(await artifact.value(), value, `value of ${text(ref)}`);
    assert.strictEqual(blobOf(await artifact.bytes()).digest, version.digest);
  }

  async #checkAll(): Promise<void> {
    for (const name of NAMES) await this.#checkName(name);
    for (const filter of [{}, { allVersions: true }, { deleted: true }]) {
      this.#sameList(await collect(this.#store.list(filter)), this.#model.list(filter));
    }
    for (const { name, version } of this.#model.list({ allVersions: true }))
      await this.#read({ name, kind: "version", version });
    await this.#checkStats();
    await this.#verify();
  }

  async #checkName(name: string): Promise<void> {
    this.#sameList(await collect(this.#store.versions(name)), this.#model.versions(name));
    assert.deepStrictEqual({ ...(await this.#store.aliases(name)) }, this.#model.aliases(name));
  }

  async #checkStats(): Promise<void> {
    const { segments, logBytes, logOverheadBytes, indexBytes, ...stats } = await this.#store.stats();
    const isLog = segments > 0 && logBytes > 0 && indexBytes > 0 && logOverheadBytes > 0;
    assert.ok(this.#isComposed || (isLog && logOverheadBytes <= logBytes));
    if (this.#isExact && !this.#isComposed) return assert.deepStrictEqual(stats, this.#model.stats());
    const counts = ({ names, versions, deletedVersions, aliases, valueBytes }: typeof stats) => {
      return { names, versions, deletedVersions, aliases, valueBytes };
    };
    assert.deepStrictEqual(counts(stats), counts(this.#model.stats()));
  }

  async #rebuild(): Promise<void> {
    if (!this.#isComposed) await this.#store.rebuildIndex();
  }

  async #verify(): Promise<void> {
    const { ok, problems } = await this.#store.verify({ full: true });
    assert.deepStrictEqual({ ok, problems }, { ok: true, problems: [] });
  }

  /** Code that was compacted away may still be known to the process that read it. */
  #sameList(listed: Artifact[], expected: ModelVersion[]): void {
    const actual = listed.map((artifact, i) => {
      const version = expected[i];
      const isGone = version?.deleted && !this.#model.hasCode(version);
      return isGone ? { ...this.#facts(artifact), code: undefined } : this.#facts(artifact);
    });
    assert.deepStrictEqual(
      actual,
      expected.map((version) => this.#versionFacts(version)),
    );
  }

  #versionFacts(version: ModelVersion) {
    return versionFacts(this.#model, version, this.#isExact);
  }
}

function same(actual: Outcome, expected: Outcome): void {
  assert.deepStrictEqual(actual, expected);
}

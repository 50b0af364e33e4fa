import type {
  Artifact,
  ArtifactStore,
  Batch,
  CallOptions,
  Code,
  LineageGraph,
  LineageOptions,
  ListFilter,
  Ref,
  SaveDirectoryOptions,
  SaveOptions,
} from "./api.ts";
import { checkPath } from "./argument.ts";
import { QueuedBatch } from "./batch.ts";
import { WHOLE_BYTES_MAX } from "./chunk/chunks.ts";
import { isByteSource } from "./chunk/source.ts";
import { type PreparedEnvironment, SavedEnvironment } from "./environment/stored.ts";
import { MEDIA_TYPE_DIRECTORY } from "./large/directory-source.ts";
import { saveDirectory } from "./large/save-directory.ts";
import { asVersion, saveLarge } from "./large/save-large.ts";
import { lineageOf } from "./lineage/graph.ts";
import { listArtifacts, listVersions } from "./list.ts";
import type { CoreHandle } from "./open.ts";
import type { FoundVersion } from "./operations.ts";
import { saveVersion } from "./operations.ts";
import { checkName, parseRef } from "./ref.ts";
import type { PlannedValue, TakenOptions, TakenValue } from "./save.ts";
import { planSave, refNow, takeOptions, takeSource, takeValue } from "./save.ts";
import { ChangingStore, type StoreSettings } from "./store-changes.ts";

/** An artifact store on the embedded engine. `save` and `load` are the two paths of the README, read top to bottom. */
export class EmbeddedStore extends ChangingStore implements ArtifactStore {
  readonly home: string;
  readonly #handle: CoreHandle;
  readonly #environment: SavedEnvironment | undefined;

  constructor(handle: CoreHandle, settings: StoreSettings) {
    super(handle, settings);
    this.home = settings.home;
    this.#handle = handle;
    this.#environment =
      settings.environment &&
      new SavedEnvironment(settings.environment, this.core, (digest, environment) =>
        this.versionRows.remember(digest, environment),
      );
  }

  get id(): string {
    return this.core.identity.storeId;
  }

  save<T>(name: string, value: T, options: SaveOptions = {}): Promise<Artifact> {
    return this.calls.run(options, () => {
      if (this.kept.keepsModels || options.backend !== undefined) {
        const elsewhere = this.kept.save(name, value, options);
        if (elsewhere) return elsewhere.then((record) => this.artifact(record));
      }
      const taken = takeOptions(name, options, refNow);
      if (isByteSource(value)) return this.#saveLarge(name, takeSource(value, options), taken, options);
      const encoded = takeValue(this.codecs, value, options);
      if (encoded.from.length > WHOLE_BYTES_MAX) return this.#saveLarge(name, encoded, taken, options);
      return this.#saveSmall(name, encoded, taken);
    });
  }

  saveFile(name: string, path: string, options: SaveOptions = {}): Promise<Artifact> {
    return this.calls.run(options, async () => {
      const elsewhere = this.kept.saveFile(name, path, options);
      if (elsewhere) return this.artifact(await elsewhere);
      checkPath(path, "a file", 'for example saveFile("table", "table.csv")');
      const taken = takeOptions(name, options, refNow);
      return this.#saveLarge(name, takeSource({ file: path }, options), taken, options);
    });
  }

  saveDirectory(name: string, path: string, options: SaveDirectoryOptions = {}): Promise<Artifact> {
    return this.calls.run(options, async () => {
      const elsewhere = this.kept.saveDirectory(name, path, options);
      if (elsewhere) return this.artifact(await elsewhere);
      const taken = takeOptions(name, options, refNow);
      this.checkWritable();
      const { plan, settings, done } = await this.#largePlan(name, taken);
      const earlier = () => this.core.reading(() => this.versionRows.newest(name, MEDIA_TYPE_DIRECTORY));
      return done(await saveDirectory({ core: this.core, settings, path, earlier, plan }, options));
    });
  }

  #saveSmall(name: string, value: TakenValue<Uint8Array>, taken: TakenOptions): Promise<Artifact> {
    const commit = (code: Code | undefined) => this.#commitSmall(name, value, taken, code);
    return taken.code instanceof Promise ? taken.code.then(commit) : commit(taken.code);
  }

  /** The write path behind the codec: digest and checksum here, the rest in one batch under the lock. */
  #commitSmall(
    name: string,
    { from, mediaType }: TakenValue<Uint8Array>,
    taken: TakenOptions,
    code: Code | undefined,
  ): Promise<Artifact> {
    const environment = this.#environment?.prepared();
    const value = { part: this.core.prepareBlob(from), mediaType };
    const plan = planSave(this.core, name, value, taken, code, environment);
    return this.commit({
      run: (transaction) => saveVersion(transaction, plan),
      told: (saved: FoundVersion) => this.#saved(saved, code, environment),
      bytes: from.length,
      durable: this.durable,
    });
  }

  /** The same in many batches, while the value is still read. */
  async #saveLarge(name: string, value: TakenValue, taken: TakenOptions, options: CallOptions) {
    this.checkWritable();
    const { plan, settings, done } = await this.#largePlan(name, taken);
    const refer = asVersion(value.mediaType, plan);
    return done(await saveLarge({ core: this.core, settings, value, refer }, options));
  }

  async #largePlan(name: string, taken: TakenOptions) {
    const code = await taken.code;
    const environment = this.#environment?.prepared();
    return {
      plan: (planned: PlannedValue) => planSave(this.core, name, planned, taken, code, environment),
      settings: { durable: this.durable, room: (bytes: number) => this.cap?.room(bytes) },
      done: (saved: FoundVersion) => this.#saved(saved, code, environment),
    };
  }

  #saved(saved: FoundVersion, code: Code | undefined, environment: PreparedEnvironment | undefined) {
    if (environment) environment.stored = true;
    return this.versionRows.saved(saved, code);
  }

  load<T = unknown>(ref: Ref, options?: CallOptions): Promise<T> {
    return this.calls.read(options, () => {
      const found = this.versionRows.known(ref) ?? this.versionRows.require(parseRef(ref));
      return this.versionRows.load(found, options) as T | Promise<T>;
    });
  }

  get(ref: Ref, options?: CallOptions): Promise<Artifact> {
    return this.calls.read(options, async () =>
      this.versionRows.artifact(this.versionRows.require(parseRef(ref))),
    );
  }

  find(ref: Ref, options?: CallOptions): Promise<Artifact | undefined> {
    return this.calls.read(options, async () => {
      const found = this.versionRows.find(parseRef(ref));
      return found && this.versionRows.artifact(found);
    });
  }

  has(ref: Ref, options?: CallOptions): Promise<boolean> {
    return this.calls.read(options, async () => {
      const found = this.versionRows.find(parseRef(ref));
      await (found && this.versionRows.settle(found));
      return found !== undefined;
    });
  }

  list(filter: ListFilter = {}): AsyncIterable<Artifact> {
    return this.calls.iterateAll(filter, () => listArtifacts(this.core, this.versionRows, filter));
  }

  versions(name: string, options?: CallOptions): AsyncIterable<Artifact> {
    return this.calls.iterateAll(options, () => {
      checkName(name);
      return listVersions(this.core, name, (found, reader) => this.versionRows.artifact(found, reader));
    });
  }

  aliases(name: string, options?: CallOptions): Promise<Record<string, number>> {
    return this.calls.read(options, async () => {
      checkName(name);
      return Object.fromEntries(await this.versionRows.settledAliases(name));
    });
  }

  lineage(ref: Ref, options: LineageOptions = {}): Promise<LineageGraph> {
    return this.calls.read(options, async () => {
      const found = this.versionRows.require(parseRef(ref));
      return lineageOf(this.core, this.versionRows, found, options);
    });
  }

  batch(fn: (batch: Batch) => void | Promise<void>, options?: CallOptions): Promise<Artifact[]> {
    return this.calls.run(options, async () => {
      const batch = new QueuedBatch(this.core, this.codecs, this.#environment, this.kept.keepsModels);
      const filling = batch.fill(fn);
      if (filling) await filling;
      const run = batch.end();
      const saved = await this.write(batch.bytes, run instanceof Promise ? await run : run, true);
      for (const environment of batch.environments) environment.stored = true;
      return this.core.reading(() => this.versionRows.writtenTogether(saved));
    });
  }

  async close(): Promise<void> {
    this.#environment?.stop();
    const stopped = this.cap?.stop();
    await this.calls.close(async () => {
      await stopped;
      try {
        await this.kept.close();
      } finally {
        await this.#handle.release();
      }
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

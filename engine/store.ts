import type {
  Annotation,
  Artifact,
  ArtifactStore,
  Batch,
  CallOptions,
  Code,
  DeleteOptions,
  DeleteReport,
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
import type { CodecRegistry } from "./codec/codec.ts";
import { deleteVersions, undeleteVersion } from "./deletes.ts";
import { type PreparedEnvironment, SavedEnvironment } from "./environment/stored.ts";
import type { TakenEnvironment } from "./environment/take.ts";
import { MEDIA_TYPE_DIRECTORY } from "./large/directory-source.ts";
import { saveDirectory } from "./large/save-directory.ts";
import { asVersion, saveLarge } from "./large/save-large.ts";
import { lineageOf } from "./lineage/graph.ts";
import { listArtifacts, listVersions } from "./list.ts";
import { takeAnnotation } from "./metadata.ts";
import type { CoreHandle } from "./open.ts";
import type { FoundVersion } from "./operations.ts";
import { annotateVersion, deleteAlias, saveVersion, setAlias } from "./operations.ts";
import { checkAlias, checkName, checkVersion, parseRef, parseRefToDelete } from "./ref.ts";
import type { PlannedValue, TakenOptions, TakenValue } from "./save.ts";
import { planSave, refNow, takeOptions, takeSource, takeValue } from "./save.ts";
import { SizeCap, type SizeCapSettings } from "./size-cap.ts";
import { MaintainedStore } from "./store-maintenance.ts";
import type { Transaction } from "./transaction.ts";
import { Values } from "./values.ts";
import { Versions } from "./versions.ts";
import type { Work } from "./work.ts";

export interface StoreSettings {
  home: string;
  readOnly: boolean;
  durable: boolean;
  codecs: CodecRegistry;
  /** What saves are made in; absent when they are to say nothing of it. */
  environment?: TakenEnvironment | undefined;
  /** What the log is kept below; absent for none. */
  cap?: SizeCapSettings | undefined;
}

/** An artifact store on the embedded engine. `save` and `load` are the two paths of the README, read top to bottom. */
export class EmbeddedStore extends MaintainedStore implements ArtifactStore {
  readonly home: string;
  readonly #handle: CoreHandle;
  readonly #codecs: CodecRegistry;
  readonly #versions: Versions;
  readonly #environment: SavedEnvironment | undefined;
  readonly #cap: SizeCap | undefined;

  constructor(handle: CoreHandle, settings: StoreSettings) {
    super(handle.core, settings);
    this.home = settings.home;
    this.#handle = handle;
    this.#codecs = settings.codecs;
    this.#cap = settings.cap && new SizeCap(this.core, settings.cap);
    this.#versions = new Versions(this.core, new Values(this.core, this.#codecs, this.calls));
    this.#environment =
      settings.environment &&
      new SavedEnvironment(settings.environment, this.core, (digest, environment) =>
        this.#versions.remember(digest, environment),
      );
  }

  get id(): string {
    return this.core.identity.storeId;
  }

  save<T>(name: string, value: T, options: SaveOptions = {}): Promise<Artifact> {
    return this.calls.run(options, () => {
      const taken = takeOptions(name, options, refNow);
      if (isByteSource(value)) return this.#saveLarge(name, takeSource(value, options), taken, options);
      const encoded = takeValue(this.#codecs, value, options);
      if (encoded.from.length > WHOLE_BYTES_MAX) return this.#saveLarge(name, encoded, taken, options);
      return this.#saveSmall(name, encoded, taken);
    });
  }

  saveFile(name: string, path: string, options: SaveOptions = {}): Promise<Artifact> {
    return this.calls.run(options, async () => {
      checkPath(path, "a file", 'for example saveFile("table", "table.csv")');
      const taken = takeOptions(name, options, refNow);
      return this.#saveLarge(name, takeSource({ file: path }, options), taken, options);
    });
  }

  saveDirectory(name: string, path: string, options: SaveDirectoryOptions = {}): Promise<Artifact> {
    return this.calls.run(options, async () => {
      const taken = takeOptions(name, options, refNow);
      this.checkWritable();
      const { plan, settings, done } = await this.#largePlan(name, taken);
      const earlier = () => this.core.reading(() => this.#versions.newest(name, MEDIA_TYPE_DIRECTORY));
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
    return this.#commit({
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
      settings: { durable: this.durable, room: (bytes: number) => this.#cap?.room(bytes) },
      done: (saved: FoundVersion) => this.#saved(saved, code, environment),
    };
  }

  #saved(saved: FoundVersion, code: Code | undefined, environment: PreparedEnvironment | undefined) {
    if (environment) environment.stored = true;
    return this.#versions.saved(saved, code);
  }

  load<T = unknown>(ref: Ref, options?: CallOptions): Promise<T> {
    return this.calls.read(options, () => {
      const found = this.#versions.known(ref) ?? this.#versions.require(parseRef(ref));
      return this.#versions.load(found, options) as T | Promise<T>;
    });
  }

  get(ref: Ref, options?: CallOptions): Promise<Artifact> {
    return this.calls.read(options, async () =>
      this.#versions.artifact(this.#versions.require(parseRef(ref))),
    );
  }

  find(ref: Ref, options?: CallOptions): Promise<Artifact | undefined> {
    return this.calls.read(options, async () => {
      const found = this.#versions.find(parseRef(ref));
      return found && this.#versions.artifact(found);
    });
  }

  has(ref: Ref, options?: CallOptions): Promise<boolean> {
    return this.calls.read(options, async () => {
      const found = this.#versions.find(parseRef(ref));
      await (found && this.#versions.settle(found));
      return found !== undefined;
    });
  }

  list(filter: ListFilter = {}): AsyncIterable<Artifact> {
    return this.calls.iterateAll(filter, () => listArtifacts(this.core, this.#versions, filter));
  }

  versions(name: string, options?: CallOptions): AsyncIterable<Artifact> {
    return this.calls.iterateAll(options, () => {
      checkName(name);
      return listVersions(this.core, name, (found, reader) => this.#versions.artifact(found, reader));
    });
  }

  aliases(name: string, options?: CallOptions): Promise<Record<string, number>> {
    return this.calls.read(options, async () => {
      checkName(name);
      return Object.fromEntries(await this.#versions.settledAliases(name));
    });
  }

  lineage(ref: Ref, options: LineageOptions = {}): Promise<LineageGraph> {
    return this.calls.read(options, async () => {
      const found = this.#versions.require(parseRef(ref));
      return lineageOf(this.core, this.#versions, found, options);
    });
  }

  delete(ref: Ref, options: DeleteOptions = {}): Promise<DeleteReport> {
    return this.calls.run(options, async () => {
      const parsed = parseRefToDelete(ref);
      return this.#write(0, (transaction) => deleteVersions(transaction, parsed, options), true, true);
    });
  }

  undelete(ref: Ref, options?: CallOptions): Promise<Artifact> {
    return this.calls.run(options, async () => {
      const parsed = parseRef(ref);
      const saved = await this.#write(0, (transaction) => undeleteVersion(transaction, parsed), true);
      return this.core.reading(() => this.#versions.written(saved));
    });
  }

  setAlias(name: string, alias: string, version: number, options?: CallOptions): Promise<void> {
    return this.calls.run(options, async () => {
      checkName(name);
      checkAlias(alias);
      checkVersion(version);
      await this.#write(0, (transaction) => setAlias(transaction, name, alias, version));
    });
  }

  deleteAlias(name: string, alias: string, options?: CallOptions): Promise<void> {
    return this.calls.run(options, async () => {
      checkName(name);
      checkAlias(alias);
      await this.#write(0, (transaction) => deleteAlias(transaction, name, alias));
    });
  }

  annotate(ref: Ref, annotation: Annotation): Promise<Artifact> {
    return this.calls.run(annotation, async () => {
      const parsed = parseRef(ref);
      const changes = takeAnnotation(annotation);
      const saved = await this.#write(0, (transaction) => annotateVersion(transaction, parsed, changes));
      return this.core.reading(() => this.#versions.written(saved));
    });
  }

  batch(fn: (batch: Batch) => void | Promise<void>, options?: CallOptions): Promise<Artifact[]> {
    return this.calls.run(options, async () => {
      const batch = new QueuedBatch(this.core, this.#codecs, this.#environment);
      const filling = batch.fill(fn);
      if (filling) await filling;
      const run = batch.end();
      const saved = await this.#write(batch.bytes, run instanceof Promise ? await run : run, true);
      for (const environment of batch.environments) environment.stored = true;
      return this.core.reading(() => this.#versions.writtenTogether(saved));
    });
  }

  async close(): Promise<void> {
    this.#environment?.stop();
    const stopped = this.#cap?.stop();
    await this.calls.close(async () => {
      await stopped;
      await this.#handle.release();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #write<T>(bytes: number, run: (transaction: Transaction) => T, undoable = false, reserve = false) {
    return this.#commit({ run, bytes, durable: this.durable, undoable, reserve });
  }

  #commit<T, R = T>(work: Work<T, R>): Promise<R> {
    this.checkWritable();
    const room = work.reserve ? undefined : this.#cap?.room(work.bytes);
    return room ? room.then(() => this.core.commit(work)) : this.core.commit(work);
  }
}

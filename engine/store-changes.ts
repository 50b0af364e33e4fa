import type {
  AdoptOptions,
  AliasOptions,
  Annotation,
  Artifact,
  CallOptions,
  DeleteOptions,
  DeleteReport,
  JsonObject,
  Ref,
} from "./api.ts";
import { KEPT_KEY } from "./artifact-key.ts";
import type { BackendConfig } from "./backend/config.ts";
import { NO_BACKEND } from "./backend/config.ts";
import { BackendConnection } from "./backend/connection.ts";
import { BackendVersions } from "./backend/versions.ts";
import type { CodecRegistry } from "./codec/codec.ts";
import { RecordArtifact } from "./composed/artifact.ts";
import { EmbeddedMetadata } from "./composed/embedded-metadata.ts";
import type { OpenFolder } from "./composed/repair-sources.ts";
import { deleteVersions, undeleteVersion } from "./deletes.ts";
import type { TakenEnvironment } from "./environment/take.ts";
import { VarveError } from "./errors.ts";
import { takeAnnotation } from "./metadata.ts";
import type { CoreHandle } from "./open.ts";
import { annotateVersion, deleteAlias, setAlias } from "./operations.ts";
import type { MetadataOperation, MetadataStore, UnitResult, VersionRecord } from "./ports/metadata-store.ts";
import { checkAlias, checkName, checkVersion, parseRef, parseRefToDelete } from "./ref.ts";
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
  /** What keeps models instead of the store. */
  backend?: BackendConfig | undefined;
  /** How `repair` opens the folders of other stores, where they are asked for what a backend keeps. */
  openFolder?: OpenFolder | undefined;
}

/** What is done to versions that are there. */
export abstract class ChangingStore extends MaintainedStore {
  protected readonly codecs: CodecRegistry;
  protected readonly kept: BackendVersions;
  protected readonly openFolder: OpenFolder;
  protected readonly versionRows: Versions;
  protected readonly cap: SizeCap | undefined;
  readonly #handle: CoreHandle;
  #metadata: EmbeddedMetadata | undefined;

  constructor(handle: CoreHandle, settings: StoreSettings) {
    super(handle.core, settings);
    const { codecs, environment, backend = NO_BACKEND } = settings;
    this.#handle = handle;
    this.codecs = codecs;
    this.openFolder = settings.openFolder ?? noFolders;
    this.kept = new BackendVersions({
      connection: new BackendConnection(backend),
      metadata: () => this.#rows(),
      mayHave: () => this.core.reading(() => this.core.row(KEPT_KEY) !== undefined),
      codecs,
      calls: this.calls,
      commit: (operation) => this.#commitRow(operation),
      checkWritable: () => this.checkWritable(),
      environment: () => environment?.current ?? {},
      now: () => this.core.now(),
    });
    this.versionRows = new Versions(this.core, new Values(this.core, codecs, this.calls, this.kept.values));
    this.cap = settings.cap && new SizeCap(this.core, settings.cap);
  }

  adoptMlflow(name: string, uri: string, options: AdoptOptions = {}): Promise<Artifact> {
    return this.calls.run(options, async () => this.artifact(await this.kept.adopt(name, uri, options)));
  }

  describeMlflow(ref: Ref, options: CallOptions = {}): Promise<JsonObject> {
    return this.calls.run(options, () => this.kept.describe(parseRef(ref), options));
  }

  delete(ref: Ref, options: DeleteOptions = {}): Promise<DeleteReport> {
    return this.calls.run(options, async () => {
      const parsed = parseRefToDelete(ref);
      if (options.purge === true) return this.kept.purge(parsed, options);
      return this.write(0, (transaction) => deleteVersions(transaction, parsed, options), true, true);
    });
  }

  undelete(ref: Ref, options?: CallOptions): Promise<Artifact> {
    return this.calls.run(options, async () => {
      const parsed = parseRef(ref);
      const saved = await this.write(0, (transaction) => undeleteVersion(transaction, parsed), true);
      return this.core.reading(() => this.versionRows.written(saved));
    });
  }

  setAlias(name: string, alias: string, version: number, options?: AliasOptions): Promise<void> {
    return this.calls.run(options, async () => {
      checkName(name);
      checkAlias(alias);
      checkVersion(version);
      if (options?.mlflow === true) return this.kept.setAlias(name, alias, version, options);
      await this.write(0, (transaction) => setAlias(transaction, name, alias, version));
    });
  }

  deleteAlias(name: string, alias: string, options?: AliasOptions): Promise<void> {
    return this.calls.run(options, async () => {
      checkName(name);
      checkAlias(alias);
      if (options?.mlflow === true) return this.kept.deleteAlias(name, alias, options);
      await this.write(0, (transaction) => deleteAlias(transaction, name, alias));
    });
  }

  annotate(ref: Ref, annotation: Annotation): Promise<Artifact> {
    return this.calls.run(annotation, async () => {
      const parsed = parseRef(ref);
      const changes = takeAnnotation(annotation);
      const saved = await this.write(0, (transaction) => annotateVersion(transaction, parsed, changes));
      return this.core.reading(() => this.versionRows.written(saved));
    });
  }

  /** Of a version that a backend keeps. */
  protected artifact(record: VersionRecord): Artifact {
    return new RecordArtifact(record, this.kept.values);
  }

  protected write<T>(bytes: number, run: (transaction: Transaction) => T, undoable = false, reserve = false) {
    return this.commit({ run, bytes, durable: this.durable, undoable, reserve });
  }

  protected commit<T, R = T>(work: Work<T, R>): Promise<R> {
    this.checkWritable();
    const room = work.reserve ? undefined : this.cap?.room(work.bytes);
    return room ? room.then(() => this.core.commit(work)) : this.core.commit(work);
  }

  /** The rows of the same log, as all stores know them. Closing the store is enough. */
  #rows(): MetadataStore {
    const { readOnly, durable } = this;
    const handle: CoreHandle = { core: this.#handle.core, release: async () => {} };
    this.#metadata ??= new EmbeddedMetadata(handle, { durable, readOnly });
    return this.#metadata;
  }

  async #commitRow(operation: MetadataOperation): Promise<UnitResult> {
    this.checkWritable();
    const [result] = await this.#rows().commit([{ operations: [operation], time: this.core.now() }]);
    if (result instanceof Error) throw result;
    return result!;
  }
}

async function noFolders(folder: string): Promise<never> {
  throw new VarveError("NOT_SUPPORTED", `${folder} can't be opened from here`, {
    hint: "give an open store",
  });
}

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
} from "../api.ts";
import { checkPath } from "../argument.ts";
import { signalOf } from "../call-options.ts";
import { WHOLE_BYTES_MAX } from "../chunk/chunks.ts";
import { isByteSource } from "../chunk/source.ts";
import { walkLineage } from "../lineage/walk.ts";
import type { Target, ValueFacts, VersionRecord } from "../ports/metadata-store.ts";
import { checkName, parseRef } from "../ref.ts";
import type { TakenOptions, TakenValue } from "../save.ts";
import { takeOptions, takeSource, takeValue } from "../save.ts";
import { UnitBatch } from "./batch.ts";
import type { ComposedSettings } from "./changing.ts";
import { ChangingComposedStore } from "./changing.ts";
import { versionsOfSaves } from "./commits.ts";
import { findRecord, requireRecord } from "./find.ts";
import { RecordLineage } from "./lineage.ts";
import { listRecords, versionRecords } from "./list.ts";
import type { Kept } from "./puts.ts";
import { Puts } from "./puts.ts";
import { saveOperation, ValueSaver } from "./save.ts";
import { saveDirectory } from "./save-directory.ts";

export type { ComposedSettings } from "./changing.ts";

/**
 * An artifact store over a database for metadata and a place for values. `save` puts the bytes first, then commits what there is
 * to say of them: a crash leaves bytes without a version, never a version without bytes. `README.md` shows the two paths.
 */
export class ComposedStore extends ChangingComposedStore implements ArtifactStore {
  readonly home: string;
  readonly #puts: Puts;
  readonly #saver: ValueSaver;

  /** Closing the store closes both. */
  constructor(settings: ComposedSettings) {
    super(settings);
    this.home = settings.home;
    this.#puts = new Puts(this.blobs);
    this.#saver = new ValueSaver(this.#puts);
  }

  get id(): string {
    return this.metadata.storeId;
  }

  save<T>(name: string, value: T, options: SaveOptions = {}): Promise<Artifact> {
    return this.calls.run(options, () => {
      if (this.kept.keepsModels || options.backend !== undefined) {
        const elsewhere = this.kept.save(name, value, options);
        if (elsewhere) return elsewhere.then((record) => this.artifact(record));
      }
      const taken = takeOptions(name, options, parseRef);
      if (isByteSource(value)) return this.#saveLarge(name, takeSource(value, options), taken, options);
      const encoded = takeValue(this.codecs, value, options);
      if (encoded.from.length > WHOLE_BYTES_MAX) return this.#saveLarge(name, encoded, taken, options);
      return this.#saveSmall(name, encoded, taken, options);
    });
  }

  saveFile(name: string, path: string, options: SaveOptions = {}): Promise<Artifact> {
    return this.calls.run(options, async () => {
      const elsewhere = this.kept.saveFile(name, path, options);
      if (elsewhere) return this.artifact(await elsewhere);
      checkPath(path, "a file", 'for example saveFile("table", "table.csv")');
      const taken = takeOptions(name, options, parseRef);
      return this.#saveLarge(name, takeSource({ file: path }, options), taken, options);
    });
  }

  saveDirectory(name: string, path: string, options: SaveDirectoryOptions = {}): Promise<Artifact> {
    return this.calls.run(options, async () => {
      const elsewhere = this.kept.saveDirectory(name, path, options);
      if (elsewhere) return this.artifact(await elsewhere);
      const taken = takeOptions(name, options, parseRef);
      this.checkWritable();
      const code = await taken.code;
      const commit = (value: ValueFacts, kept: readonly Kept[], ifLatest: number | undefined) => {
        const ifVersion = taken.ifVersion ?? ifLatest;
        return this.#commitSave(name, value, kept, { ...taken, ifVersion }, code);
      };
      const latest = () => this.metadata.find({ name, kind: "latest", explicit: false });
      const parts = { blobs: this.blobs, puts: this.#puts, path, latest, commit };
      return this.artifact(await saveDirectory(parts, options));
    });
  }

  /** The version comes behind those of the saves that were called before, though their bytes may be there later. */
  #saveSmall(
    name: string,
    value: TakenValue,
    taken: TakenOptions<Target>,
    options: CallOptions,
  ): Promise<Artifact> {
    this.checkWritable();
    const { code } = taken;
    const save = (read: Code | undefined) => {
      const environment = this.current;
      const ready = this.#saver.keep(value, options).then(({ facts, kept }) => ({
        operations: [saveOperation(name, facts, taken, read, environment)],
        kept: [kept],
      }));
      return this.commits.submit(ready).then(({ versions }) => this.artifact(versions[0]!));
    };
    return code instanceof Promise ? code.then(save) : save(code);
  }

  /** Nobody waits for a value that takes long. */
  async #saveLarge(
    name: string,
    value: TakenValue,
    taken: TakenOptions<Target>,
    options: CallOptions,
  ): Promise<Artifact> {
    this.checkWritable();
    const code = await taken.code;
    const { facts, kept } = await this.#saver.keep(value, options);
    return this.artifact(await this.#commitSave(name, facts, [kept], taken, code));
  }

  async #commitSave(
    name: string,
    value: ValueFacts,
    kept: readonly Kept[],
    taken: TakenOptions<Target>,
    code: Code | undefined,
  ): Promise<VersionRecord> {
    const operations = [saveOperation(name, value, taken, code, this.current)];
    return (await this.commits.submit({ operations, kept })).versions[0]!;
  }

  load<T = unknown>(ref: Ref, options?: CallOptions): Promise<T> {
    return this.calls.read(options, async () => {
      const record = await requireRecord(this.metadata, parseRef(ref), options);
      return this.values.decode(record, options) as Promise<T>;
    });
  }

  get(ref: Ref, options?: CallOptions): Promise<Artifact> {
    return this.calls.read(options, async () =>
      this.artifact(await requireRecord(this.metadata, parseRef(ref), options)),
    );
  }

  find(ref: Ref, options?: CallOptions): Promise<Artifact | undefined> {
    return this.calls.read(options, async () => {
      const record = await findRecord(this.metadata, parseRef(ref), options);
      return record && this.artifact(record);
    });
  }

  has(ref: Ref, options?: CallOptions): Promise<boolean> {
    return this.calls.read(
      options,
      async () => (await findRecord(this.metadata, parseRef(ref), options)) !== undefined,
    );
  }

  list(filter: ListFilter = {}): AsyncIterable<Artifact> {
    return this.calls.iterateAll(filter, () =>
      listRecords(this.metadata, filter, (record) => this.artifact(record)),
    );
  }

  versions(name: string, options?: CallOptions): AsyncIterable<Artifact> {
    return this.calls.iterateAll(options, () => {
      checkName(name);
      return versionRecords(this.metadata, name, (record) => this.artifact(record), options);
    });
  }

  aliases(name: string, options?: CallOptions): Promise<Record<string, number>> {
    return this.calls.read(options, async () => {
      checkName(name);
      const entries = Object.entries(await this.metadata.aliases(name, signalOf(options)));
      return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
    });
  }

  lineage(ref: Ref, options: LineageOptions = {}): Promise<LineageGraph> {
    return this.calls.read(options, async () => {
      const root = await requireRecord(this.metadata, parseRef(ref), options);
      return walkLineage(new RecordLineage(this.metadata), root, options);
    });
  }

  batch(fn: (batch: Batch) => void | Promise<void>, options?: CallOptions): Promise<Artifact[]> {
    return this.calls.run(options, async () => {
      this.checkWritable();
      const batch = new UnitBatch(this.codecs, this.#saver, () => this.current, this.kept.keepsModels);
      const filling = batch.fill(fn);
      if (filling) await filling;
      if (batch.length === 0) return [];
      const unit = batch.end();
      const { versions } = await this.commits.submit(unit);
      return versionsOfSaves((await unit).operations, versions).map((record) => this.artifact(record));
    });
  }

  async close(): Promise<void> {
    this.environment?.stop();
    await this.calls.close(async () => {
      const closed = await Promise.allSettled([this.metadata.close(), this.blobs.close(), this.kept.close()]);
      for (const each of closed) if (each.status === "rejected") throw each.reason;
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

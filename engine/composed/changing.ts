import type {
  AdoptOptions,
  AliasOptions,
  Annotation,
  Artifact,
  CallOptions,
  DeleteOptions,
  DeleteReport,
  Environment,
  JsonObject,
  Ref,
} from "../api.ts";
import { BackendVersions } from "../backend/versions.ts";
import type { CodecRegistry } from "../codec/codec.ts";
import type { TakenEnvironment } from "../environment/take.ts";
import { takeAnnotation } from "../metadata.ts";
import type { MetadataOperation, UnitResult, VersionRecord } from "../ports/metadata-store.ts";
import { checkAlias, checkName, checkVersion, parseRef, parseRefToDelete } from "../ref.ts";
import { notOneVersion } from "../refusals.ts";
import { RecordArtifact } from "./artifact.ts";
import { annotateOperation } from "./batch.ts";
import type { ReadyUnit } from "./commits.ts";
import { checkWhole, requireRecord } from "./find.ts";
import type { MaintenanceSettings } from "./maintained.ts";
import { MaintainedComposedStore } from "./maintained.ts";
import { BlobValues } from "./values.ts";

export interface ComposedSettings extends MaintenanceSettings {
  /** The store's folder: its configuration at least is there. */
  home: string;
  codecs: CodecRegistry;
  /** What saves are made in; absent when they are to say nothing of it. */
  environment?: TakenEnvironment | undefined;
}

/** What is done to versions that are there. */
export abstract class ChangingComposedStore extends MaintainedComposedStore {
  protected readonly codecs: CodecRegistry;
  protected readonly environment: TakenEnvironment | undefined;
  protected readonly kept: BackendVersions;
  protected readonly values: BlobValues;

  constructor(settings: ComposedSettings) {
    super(settings);
    const { codecs, environment } = settings;
    this.codecs = codecs;
    this.environment = environment;
    this.kept = new BackendVersions({
      ...this.keptParts(settings.backend),
      codecs,
      commit: (operation) => this.write(operation),
      environment: () => this.current,
    });
    this.values = new BlobValues(this.metadata, this.blobs, codecs, this.calls, this.kept.values);
  }

  adoptMlflow(name: string, uri: string, options: AdoptOptions = {}): Promise<Artifact> {
    return this.calls.run(options, async () => this.artifact(await this.kept.adopt(name, uri, options)));
  }

  describeMlflow(ref: Ref, options: CallOptions = {}): Promise<JsonObject> {
    return this.calls.run(options, () => this.kept.describe(parseRef(ref), options));
  }

  delete(ref: Ref, options: DeleteOptions = {}): Promise<DeleteReport> {
    return this.calls.run(options, async () => {
      const target = parseRefToDelete(ref);
      if (options.purge === true) return this.kept.purge(target, options);
      const { aliases } = options;
      const done = await this.write({ kind: "delete", target, aliases: aliases === true });
      return { deleted: done.deleted, aliases: done.removedAliases };
    });
  }

  undelete(ref: Ref, options?: CallOptions): Promise<Artifact> {
    return this.calls.run(options, async () => {
      const parsed = parseRef(ref);
      if (parsed.kind !== "version") throw notOneVersion(parsed);
      await checkWhole(this.metadata, this.blobs, parsed);
      const { versions } = await this.write({ ...parsed, kind: "undelete" });
      return this.artifact(versions[0] ?? (await requireRecord(this.metadata, parsed)));
    });
  }

  setAlias(name: string, alias: string, version: number, options?: AliasOptions): Promise<void> {
    return this.calls.run(options, async () => {
      checkName(name);
      checkAlias(alias);
      checkVersion(version);
      if (options?.mlflow === true) return this.kept.setAlias(name, alias, version, options);
      await this.write({ kind: "alias", name, alias, version });
    });
  }

  deleteAlias(name: string, alias: string, options?: AliasOptions): Promise<void> {
    return this.calls.run(options, async () => {
      checkName(name);
      checkAlias(alias);
      if (options?.mlflow === true) return this.kept.deleteAlias(name, alias, options);
      await this.write({ kind: "deleteAlias", name, alias });
    });
  }

  annotate(ref: Ref, annotation: Annotation): Promise<Artifact> {
    return this.calls.run(annotation, async () => {
      const target = parseRef(ref);
      const { versions } = await this.write(annotateOperation(target, takeAnnotation(annotation)));
      return this.artifact(versions[0]!);
    });
  }

  protected get current(): Environment {
    return this.environment?.current ?? {};
  }

  protected write(operation: MetadataOperation): Promise<UnitResult> {
    this.checkWritable();
    const unit: ReadyUnit = { operations: [operation], kept: [] };
    return this.commits.submit(unit);
  }

  protected artifact(record: VersionRecord): Artifact {
    return new RecordArtifact(record, this.values);
  }
}
